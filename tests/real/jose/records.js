// node-jose opens what is stored at the cloud, and what node-jose sealed is opened by the lab.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const jose = require('node-jose');
const {check, refused} = require('./check.js');
const opens = require('./opens.js');
const {ask, connectorToken, control, Kms, lab, tokenOf} = require('./relay.js');

const ADDRESS = 'zoë@corp.example';
const PLAIN = {
  encryptedSubject: 'Budget – Überblick 会議',
  encryptedLocation: 'Room 1',
  encryptedNotes: 'x'.repeat(20000),
};

async function seal(jwk, text) {
  const key = await jose.JWK.asKey(jwk);
  const recipient = {key, header: {alg: 'dir'}, reference: null};
  const options = {format: 'compact', contentAlg: 'A256GCM'};
  return jose.JWE.createEncrypt(options, recipient).final(text, 'utf8');
}

async function record(id, key) {
  const person = async (address, name) => ({
    encryptedEmailAddress: await seal(key.jwk, address),
    encryptedName: await seal(key.jwk, name),
  });
  const sealed = {};
  for (const [name, text] of Object.entries(PLAIN)) sealed[name] = await seal(key.jwk, text);
  return {
    id,
    seriesId: id,
    start: '2026-01-05T10:00:00Z',
    durationMinutes: 30,
    isRecurring: false,
    isDeleted: false,
    lastModified: '2026-01-05T09:00:00Z',
    meetingSensitivity: 'NORMAL',
    encryptionKeyUrl: key.uri,
    ...sealed,
    encryptedOrganizer: await person(ADDRESS, 'Zoë'),
    encryptedParticipants: [
      {
        ...(await person('bob@corp.example', 'Bob')),
        type: 'PERSON',
        participantType: 'REQUIRED',
        responseType: 'NO_RESPONSE',
      },
    ],
    meetingJoinInfo: {meetingJoinURL: await seal(key.jwk, 'https://meet.example/1')},
  };
}

function event(sequence, meeting) {
  return {
    specversion: '1.0',
    id: crypto.randomUUID(),
    source: `/connectors/${lab.connector}`,
    type: 'calendar.meeting.create',
    subject: 'zoe',
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    sequence: String(sequence).padStart(20, '0'),
    data: {calendarMeetingExternal: meeting},
  };
}

module.exports = async function records() {
  const connector = new Kms(lab.connector, await connectorToken());
  await connector.handshake();
  const zoe = new Kms('zoe', await tokenOf('zoe'));
  await zoe.handshake();
  const bob = new Kms('bob', await tokenOf('bob'));
  await bob.handshake();

  await control('POST', '/activate', {user: 'zoe', address: ADDRESS});
  const commands = await control('GET', '/commands');
  const {data} = commands.find((command) => command.subject === 'zoe');
  await check('the connector opens the address that the lab sealed', async () => {
    const {key} = await connector.ask({method: 'retrieve', uri: data.encryptionKeyUrl}, 200);
    const line = {jwe: data.encryptedEmailAddress, jwk: key.jwk, plain: ADDRESS};
    await opens.lines('the sealed address', [line]);
    await bob.ask({method: 'retrieve', uri: data.encryptionKeyUrl}, 403);
  });

  const post = async (body) => {
    const type = 'application/cloudevents-batch+json';
    return ask('POST', `${lab.url}/v1/events`, {token: connector.token, body, type});
  };
  const key = await connector.newKey();
  const create = {method: 'create', uri: '/resources', keyUris: [key.uri], userIds: ['zoe']};
  await connector.ask(create, 201);
  const meeting = await record('meeting-1', key);
  await check('the cloud stores a record that node-jose sealed', async () => {
    const answer = await post([event(1, meeting)]);
    assert.equal(answer.status, 200);
    assert.equal(answer.body.results[0].outcome, 'stored', JSON.stringify(answer.body));
  });
  await check('the cloud refuses the same record with one field in the clear', async () => {
    const plain = {...meeting, encryptedSubject: 'Budget'};
    const answer = await post([event(2, plain)]);
    assert.equal(answer.body.results[0].outcome, 'rejected');
  });
  await check('node-jose opens every field of what the cloud keeps', async () => {
    const url = `${lab.url}/v1/users/zoe/meetings`;
    const list = await ask('GET', url, {token: zoe.token});
    assert.equal(list.body.items.length, 1);
    const [item] = list.body.items;
    const found = await zoe.ask({method: 'retrieve', uri: item.encryptionKeyUrl}, 200);
    for (const [name, text] of Object.entries(PLAIN)) {
      assert.equal(await opens.open(item[name], found.key.jwk), text, name);
    }
    const {encryptedEmailAddress, encryptedName} = item.encryptedOrganizer;
    assert.equal(await opens.open(encryptedEmailAddress, found.key.jwk), ADDRESS);
    assert.equal(await opens.open(encryptedName, found.key.jwk), 'Zoë');
    await bob.ask({method: 'retrieve', uri: item.encryptionKeyUrl}, 403);
    assert.equal((await ask('GET', url, {token: bob.token})).status, 403);
  });
  await check('the lab opens every field that node-jose sealed', async () => {
    const [opened] = await control('GET', '/users/zoe/meetings');
    assert.deepEqual(opened.unreadable, []);
    assert.equal(opened.subject, PLAIN.encryptedSubject);
    assert.equal(opened.notes, PLAIN.encryptedNotes);
    assert.deepEqual([opened.organizer.address, opened.organizer.name], [ADDRESS, 'Zoë']);
    assert.equal(opened.joinUrl, 'https://meet.example/1');
  });
  await check('what was sealed never came in open, and the search does find', async () => {
    const search = async (text) => {
      const base64 = Buffer.from(text).toString('base64');
      return (await control('POST', '/search', {base64})).found;
    };
    assert.equal(await search(PLAIN.encryptedSubject), false);
    assert.equal(await search(ADDRESS), false);
    assert.equal(await search('"seriesId":"meeting-1"'), true);
  });
  await check('the check of sealed lines can fail', async () => {
    const line = {jwe: await seal(key.jwk, 'a'), jwk: key.jwk};
    await refused(async () => assert.equal(await opens.open(line.jwe, line.jwk), 'b'));
    const other = {kty: 'oct', k: crypto.randomBytes(32).toString('base64url')};
    await refused(() => opens.open(line.jwe, other));
  });
};
