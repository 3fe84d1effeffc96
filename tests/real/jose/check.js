// Counts what holds and what does not.
'use strict';

let passed = 0;
let failed = 0;

/** Runs one check; a rejection or an exception is its failure. */
async function check(name, run) {
  try {
    await run();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}

/** Holds if `run` is refused; what it answers instead is the failure. */
async function refused(run) {
  let answer;
  try {
    answer = await run();
  } catch {
    return;
  }
  throw new Error(`was not refused: ${JSON.stringify(answer)}`);
}

/** Ends the program with the line that says how it went. */
function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

process.on('unhandledRejection', (error) => {
  failed += 1;
  console.log(`FAILED  something nobody waited for: ${error.message}`);
});

module.exports = {check, refused, finish};
