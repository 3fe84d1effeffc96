// `node main.js`: everything against a running lab. `node main.js opens FILE…`: sealed lines only.
'use strict';

const {check, finish} = require('./check.js');

async function main([what, ...files]) {
  if (what === 'opens') {
    const opens = require('./opens.js');
    for (const file of files) await opens.file(file);
    return;
  }
  for (const part of ['kms', 'records']) {
    await check(`the part ${part} ran to its end`, () => require(`./${part}.js`)());
  }
}

main(process.argv.slice(2)).then(finish, (error) => {
  console.log(`FAILED  ${error.stack}`);
  console.log('0 passed, 1 failed');
  process.exit(1);
});
