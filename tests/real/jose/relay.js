// The lab's cloud and key server, reached as their clients do, with node-kms for the messages.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const {Context, Request, Response} = require('node-kms');

const lab = JSON.parse(process.env.LAB);
const ca = fs.readFileSync(lab.ca, 'utf8');
const anchor = new crypto.X509Certificate(fs.readFileSync(lab.anchor));

/** One request; answers status and parsed body. */
function ask(method, url, {token, body, type = 'application/json'} = {}) {
  const secure = url.startsWith('https:');
  const headers = {'content-type': type};
  if (token) headers.authorization = `Bearer ${token}`;
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request(url, {method, headers, ca}, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        let json = null;
        try {
          json = JSON.parse(text);
        } catch {
          // An empty body has no JSON.
        }
        resolve({status: response.statusCode, body: json});
      });
    });
    request.setTimeout(20000, () => request.destroy(new Error('no answer in 20 s')));
    request.on('error', reject);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    request.end(text);
  });
}

/** A request to the lab program's control endpoint. */
async function control(method, path, body) {
  const answer = await ask(method, lab.control + path, {body});
  assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function tokenOf(user) {
  return (await control('POST', `/users/${user}/token`)).token;
}

/** The connector's own token, by client credentials. */
async function connectorToken() {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: lab.clientId,
    client_secret: lab.clientSecret,
  });
  const type = 'application/x-www-form-urlencoded';
  const answer = await ask('POST', `${lab.url}/oauth/token`, {body: form.toString(), type});
  assert.equal(answer.status, 200);
  return answer.body.access_token;
}

/** Whether the chain of `jwk` leads to our anchor and is for its host and its numbers. */
function verifyChain(jwk) {
  assert.equal(jwk.kty, 'RSA');
  const kid = new URL(jwk.kid);
  assert.equal(kid.protocol, 'kms:');
  assert.ok(Array.isArray(jwk.x5c) && jwk.x5c.length > 0, 'no x5c');
  const chain = jwk.x5c.map((text) => new crypto.X509Certificate(Buffer.from(text, 'base64')));
  const leaf = chain[0];
  assert.ok(leaf.checkHost(kid.hostname), 'the certificate is for another host');
  const key = leaf.publicKey.export({format: 'jwk'});
  assert.deepEqual([key.n, key.e], [jwk.n, jwk.e], 'the certificate is for another key');
  const now = Date.now();
  [...chain, anchor].forEach((certificate, place, all) => {
    assert.ok(Date.parse(certificate.validFrom) <= now, 'not yet valid');
    assert.ok(Date.parse(certificate.validTo) >= now, 'no longer valid');
    const issuer = all[place + 1] || certificate;
    assert.ok(certificate.checkIssued(issuer), 'the chain has a gap');
    assert.ok(certificate.verify(issuer.publicKey), 'a signature of the chain is wrong');
    assert.ok(place === 0 || certificate.ca, 'an issuer that is no authority');
  });
}

/** A client of the key server on node-kms, as the cloud's own clients do it. */
class Kms {
  constructor(user, token) {
    this.user = user;
    this.token = token;
  }

  async staticKey() {
    const answer = await ask('GET', `${lab.kms}/kms/${this.user}`, {token: this.token});
    assert.equal(answer.status, 200);
    const jwk = JSON.parse(answer.body.rsaPublicKey);
    verifyChain(jwk);
    return {cluster: answer.body.kmsCluster, jwk};
  }

  async handshake() {
    const {cluster, jwk} = await this.staticKey();
    this.cluster = cluster;
    const context = new Context();
    context.clientInfo = {
      clientId: `device-of-${this.user}`,
      credential: {userId: this.user, bearer: this.token},
    };
    context.serverInfo = {key: jwk};
    const local = await context.createECDHKey();
    context.ephemeralKey = local;
    const request = new Request({
      uri: `${cluster}/ecdhe`,
      method: 'create',
      jwk: (await local.asKey()).toJSON(),
    });
    await request.wrap(context, {serverKey: true});
    const [wrapped] = await this.post([request.wrapped]);
    assert.equal(wrapped.split('.').length, 3, 'the answer to the agreement is not signed');
    const response = new Response(wrapped);
    await response.unwrap(context);
    assert.equal(response.requestId, request.requestId);
    if (response.status !== 201) throw Object.assign(new Error('refused'), {body: response.body});
    context.ephemeralKey = await context.deriveEphemeralKey(response.body.key);
    this.context = context;
    return response.body.key;
  }

  async post(messages) {
    const body = {destination: this.cluster, kmsMessages: messages};
    const answer = await ask('POST', `${lab.kms}/kms/messages`, {token: this.token, body});
    assert.equal(answer.status, 200);
    assert.equal(answer.body.kmsMessages.length, messages.length);
    return answer.body.kmsMessages;
  }

  /** Several requests in one POST; the answers in the order of the requests, by requestId. */
  async send(bodies) {
    const requests = bodies.map((body) => new Request(body));
    for (const request of requests) await request.wrap(this.context);
    const found = new Map();
    for (const wrapped of await this.post(requests.map((request) => request.wrapped))) {
      const response = new Response(wrapped);
      await response.unwrap(this.context);
      found.set(response.requestId, response.body);
    }
    return requests.map((request) => found.get(request.requestId));
  }

  /** One request; its answer must have the status `expected`. */
  async ask(body, expected) {
    const [answer] = await this.send([body]);
    assert.ok(answer, 'no answer to this request');
    assert.equal(answer.status, expected, JSON.stringify(answer));
    return answer;
  }

  async newKey() {
    return (await this.ask({method: 'create', uri: '/keys', count: 1}, 201)).keys[0];
  }
}

module.exports = {ask, connectorToken, control, Kms, lab, tokenOf, verifyChain};
