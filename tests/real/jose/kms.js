// node-kms completes the protocol with the lab's key server, and refuses what it must.
'use strict';

const assert = require('node:assert/strict');
const {check, refused} = require('./check.js');
const {control, Kms, tokenOf} = require('./relay.js');

module.exports = async function kms() {
  const alice = new Kms('alice', await tokenOf('alice'));
  const bob = new Kms('bob', await tokenOf('bob'));

  await check('the static key has a chain to our anchor', () => alice.staticKey());
  await check('the key agreement is signed and gives a shared key', async () => {
    const key = await alice.handshake();
    assert.match(key.uri, /^kms:\/\/[^/]+\/ecdhe\/[0-9a-f-]{36}$/);
    assert.ok(alice.context.ephemeralKey.expirationDate > new Date());
    await bob.handshake();
  });
  await check('ping', () => alice.ask({method: 'update', uri: '/ping'}, 200));

  const unbound = {};
  await check('keys are created, and readable by their creator alone', async () => {
    const made = await alice.ask({method: 'create', uri: '/keys', count: 2}, 201);
    assert.equal(made.keys.length, 2);
    [unbound.first, unbound.second] = made.keys;
    const uri = unbound.first.uri;
    const read = await alice.ask({method: 'retrieve', uri}, 200);
    assert.deepEqual(read.key, unbound.first);
    await bob.ask({method: 'retrieve', uri}, 403);
  });
  const resource = {};
  await check('a resource admits whom it names', async () => {
    const body = {
      method: 'create',
      uri: '/resources',
      keyUris: [unbound.first.uri],
      userIds: ['bob'],
    };
    Object.assign(resource, (await alice.ask(body, 201)).resource);
    assert.deepEqual(resource.keyUris, [unbound.first.uri]);
    assert.equal(resource.authorizationUris.length, 2);
    const read = await bob.ask({method: 'retrieve', uri: unbound.first.uri}, 200);
    assert.equal(read.key.jwk.k, unbound.first.jwk.k);
  });
  await check('a second key is bound to the same resource', async () => {
    const body = {method: 'update', uri: unbound.second.uri, resourceUri: resource.uri};
    const bound = await alice.ask(body, 200);
    assert.equal(bound.key.resourceUri, resource.uri);
    assert.ok(Date.parse(bound.key.bindDate) > 0);
    await bob.ask({method: 'retrieve', uri: unbound.second.uri}, 200);
  });
  await check('authorizations are listed, given and withdrawn', async () => {
    const uri = `${resource.uri}/authorizations`;
    const give = {
      method: 'create',
      uri: '/authorizations',
      resourceUri: resource.uri,
      userIds: ['carol'],
    };
    await bob.ask(give, 201);
    const list = await alice.ask({method: 'retrieve', uri}, 200);
    assert.deepEqual(list.authorizations.map((one) => one.authId), ['alice', 'bob', 'carol']);
    await alice.ask({method: 'delete', uri: `${uri}?authId=bob`}, 200);
    await bob.ask({method: 'retrieve', uri: unbound.first.uri}, 403);
  });
  await check('answers out of order find their requests', async () => {
    await control('POST', '/kms/faults', {place: 'post', fault: 'reverse'});
    const [ping, key] = await alice.send([
      {method: 'update', uri: '/ping'},
      {method: 'retrieve', uri: unbound.first.uri},
    ]);
    assert.equal(ping.key, undefined);
    assert.equal(key.key.uri, unbound.first.uri);
  });
  await check('a moved key redirects, a revoked key is refused', async () => {
    const moved = await alice.newKey();
    await control('POST', '/kms/move', {key: moved.uri});
    const answer = await alice.ask({method: 'retrieve', uri: moved.uri}, 301);
    assert.equal(answer.errorCode, 301002);
    const found = await alice.ask({method: 'retrieve', uri: answer.redirectUri}, 200);
    assert.equal(found.key.jwk.k, moved.jwk.k);
    const revoked = await alice.newKey();
    await control('POST', '/kms/revoke', {key: revoked.uri});
    const refusal = await alice.ask({method: 'retrieve', uri: revoked.uri}, 405);
    assert.equal(refusal.errorCode, 405005);
  });
  await check('a server that forgot the shared key says so, and a new one helps', async () => {
    await control('POST', '/kms/faults', {place: 'request', fault: 'forget-session'});
    await alice.ask({method: 'update', uri: '/ping'}, 499).catch(async () => {
      throw new Error('the reset does not carry the requestId');
    });
    await alice.handshake();
    await alice.ask({method: 'update', uri: '/ping'}, 200);
  });
  for (const fault of ['wrong-signer', 'alg-none', 'tamper-payload']) {
    await check(`node-kms refuses an agreement with ${fault}`, async () => {
      await control('POST', '/kms/faults', {place: 'agreement', fault});
      await refused(() => new Kms('mallory', alice.token).handshake());
    });
  }
  const spoilt = ['foreign-chain', 'mismatched-certificate', 'wrong-host', 'expired', 'no-chain'];
  for (const fault of spoilt) {
    await check(`a static key with ${fault} is refused`, async () => {
      await control('POST', '/kms/faults', {place: 'static-key', fault});
      await refused(() => alice.staticKey());
      await alice.staticKey();
    });
  }
  await check('node-kms refuses an altered answer', async () => {
    await control('POST', '/kms/faults', {place: 'request', fault: 'tamper-payload'});
    await refused(() => alice.send([{method: 'update', uri: '/ping'}]));
  });
};
