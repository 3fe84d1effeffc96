// ews-javascript-api against the simulated Exchange, with impersonation.
//
// Every step asserts on contents, and what the client wrote is read back through the lab's control
// endpoint, which does not go through EWS.
'use strict';

const assert = require('node:assert/strict');
const ews = require('ews-javascript-api');
const {XhrApi} = require('@ewsjs/xhr');

const facts = JSON.parse(process.env.LAB);
const password = process.env.LAB_PASSWORD;
const user = `user00001@${facts.domain}`;
const other = `user00002@${facts.domain}`;
const hour = 3600000;
const now = Math.floor(Date.now() / hour) * hour;
const [from, to] = [now - 7 * 24 * hour, now + 31 * 24 * hour];

let passed = 0;
let failed = 0;

async function check(name, step) {
  try {
    await step();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack || error.Message || JSON.stringify(error)}`);
  }
}

async function control(method, path, body) {
  const answer = await fetch(facts.control + path, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(value));
  return value;
}

async function found(address, subject) {
  const shown = await control('GET', `/mailboxes/${address}/view?from=${from}&to=${to}`);
  return shown.filter((item) => item.subject === subject).sort((a, b) => a.start_ms - b.start_ms);
}

// The client writes what it is given into its XML as it is: who uses it must escape.
const entities = {'<': '&lt;', '>': '&gt;', '&': '&amp;'};
const xml = (text) => text.replace(/[<>&]/g, (one) => entities[one]);
const time = (ms) => new ews.DateTime(ms);
const ms = (moment) => moment.TotalMilliSeconds;
const calendar = ews.WellKnownFolderName.Calendar;

// All steps with one way to sign in.
class Story {
  constructor(scheme) {
    this.scheme = scheme;
    this.service = new ews.ExchangeService(ews.ExchangeVersion.Exchange2013_SP1);
    this.service.Url = new ews.Uri(facts.url);
    const api = new XhrApi();
    if (scheme === 'NTLM') {
      api.useNtlmAuthentication(facts.account, password);
      this.service.Credentials = new ews.WebCredentials('unused', 'unused');
    } else {
      this.service.Credentials = new ews.WebCredentials(facts.account, password);
    }
    this.service.XHRApi = api;
    this.service.ImpersonatedUserId =
      new ews.ImpersonatedUserId(ews.ConnectingIdType.SmtpAddress, user);
  }

  steps() {
    return ['listsTheCalendar', 'createsAMeeting', 'readsItBack', 'updatesIt', 'deletesIt',
      'makesASeries', 'syncs', 'hearsAStream'];
  }

  async run() {
    for (const step of this.steps()) {
      const name = step.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      await check(`${this.scheme}: ${name}`, () => this[step]());
    }
  }

  async view() {
    const window = new ews.CalendarView(time(from), time(to), 500);
    const found = await this.service.FindAppointments(calendar, window);
    return found.Items;
  }

  async listsTheCalendar() {
    const seen = (await this.view())
      .map((item) => [item.Subject, ms(item.Start), ms(item.End), item.Location])
      .filter(([subject]) => subject.startsWith('Meeting'));
    const held = (await control('GET', `/mailboxes/${user}/view?from=${from}&to=${to}`))
      .map((item) => [item.subject, item.start_ms, item.end_ms, item.location])
      .filter(([subject]) => subject.startsWith('Meeting'));
    const order = (a, b) => a[0].localeCompare(b[0]);
    assert.equal(held.length, 5);
    assert.deepEqual(seen.sort(order), held.sort(order));
    const entries = (await control('GET', '/log')).entries;
    const shown = entries[entries.length - 1].scheme;
    assert.equal(typeof shown === 'string' ? shown : Object.keys(shown)[0],
      this.scheme === 'NTLM' ? 'Ntlm' : 'Basic');
  }

  async createsAMeeting() {
    this.subject = `Written by ${this.scheme} <&> Zürich`;
    const item = new ews.Appointment(this.service);
    item.Subject = xml(this.subject);
    item.Body = new ews.MessageBody(ews.BodyType.HTML, xml('<p>Bring <b>maps</b> &amp; pens</p>'));
    item.Start = time(now + 26 * hour);
    item.End = time(now + 27 * hour);
    item.Location = 'Lake side';
    item.RequiredAttendees.Add('Two', other);
    await item.Save(calendar, ews.SendInvitationsMode.SendToAllAndSaveCopy);
    assert.ok(item.Id.UniqueId);
    for (const address of [user, other]) {
      const [held, ...more] = await found(address, this.subject);
      assert.equal(more.length, 0);
      assert.equal(held.start_ms, now + 26 * hour);
      assert.equal(held.end_ms, now + 27 * hour);
      assert.equal(held.location, 'Lake side');
      assert.match(held.body, /<b>maps<\/b>/);
      assert.deepEqual(held.attendees.map((one) => one.address), [other]);
    }
    this.id = item.Id;
  }

  async readsItBack() {
    const item = await ews.Appointment.Bind(this.service, this.id);
    assert.equal(item.Subject, this.subject);
    assert.equal(item.Location, 'Lake side');
    assert.match(item.Body.Text, /<b>maps<\/b>/);
    assert.equal(ms(item.Start), now + 26 * hour);
    assert.equal(item.Organizer.Address, user);
    assert.equal(item.RequiredAttendees._getItem(0).Address, other);
    const all = await this.service.BindToItems([this.id], ews.PropertySet.FirstClassProperties);
    assert.equal(all.OverallResult, ews.ServiceResult.Success);
    this.item = item;
  }

  async updatesIt() {
    this.item.Location = 'Hill side';
    this.item.Start = time(now + 30 * hour);
    this.item.End = time(now + 31 * hour);
    await this.item.Update(ews.ConflictResolutionMode.AutoResolve,
      ews.SendInvitationsOrCancellationsMode.SendToAllAndSaveCopy);
    for (const address of [user, other]) {
      const [held] = await found(address, this.subject);
      assert.equal(held.location, 'Hill side');
      assert.equal(held.start_ms, now + 30 * hour);
    }
    const again = await ews.Appointment.Bind(this.service, this.id);
    assert.notEqual(again.Id.ChangeKey, this.id.ChangeKey);
    this.item = again;
  }

  async deletesIt() {
    await this.item.Delete(ews.DeleteMode.MoveToDeletedItems,
      ews.SendCancellationsMode.SendToAllAndSaveCopy);
    assert.deepEqual(await found(user, this.subject), []);
    for (const held of await found(other, this.subject)) assert.ok(held.cancelled);
    await assert.rejects(ews.Appointment.Bind(this.service, this.id),
      (error) => error.ErrorCode === ews.ServiceError.ErrorItemNotFound);
  }

  async makesASeries() {
    const subject = `Daily by ${this.scheme}`;
    const item = new ews.Appointment(this.service);
    item.Subject = subject;
    item.Start = time(now + 2 * hour);
    item.End = time(now + 3 * hour);
    const daily = new ews.Recurrence.DailyPattern(item.Start.Date, 2);
    daily.NumberOfOccurrences = 4;
    item.Recurrence = daily;
    await item.Save(calendar, ews.SendInvitationsMode.SendToNone);
    const held = await found(user, subject);
    const starts = [0, 2, 4, 6].map((days) => now + (2 + 24 * days) * hour);
    assert.deepEqual(held.map((one) => one.start_ms), starts);
    const seen = (await this.view()).filter((one) => one.Subject === subject);
    assert.deepEqual(seen.map((one) => ms(one.Start)).sort(), starts);
    const second = await ews.Appointment.BindToOccurrence(
      this.service, item.Id, 2, ews.PropertySet.FirstClassProperties);
    assert.equal(ms(second.Start), starts[1]);
    assert.equal(second.AppointmentType, ews.AppointmentType.Occurrence);
    await item.Delete(ews.DeleteMode.HardDelete, ews.SendCancellationsMode.SendToNone);
    assert.deepEqual(await found(user, subject), []);
  }

  sync(state) {
    const folder = new ews.FolderId(calendar);
    return this.service.SyncFolderItems(folder, ews.PropertySet.IdOnly, null, 512,
      ews.SyncFolderItemsScope.NormalItems, state);
  }

  async syncs() {
    const first = await this.sync(null);
    assert.equal(first.MoreChangesAvailable, false);
    assert.ok(first.Count >= 5, `${first.Count} items`);
    const quiet = await this.sync(first.SyncState);
    assert.equal(quiet.Count, 0);
    const made = await control('POST', '/items',
      {mailbox: user, subject: 'Synced', start_ms: now + 50 * hour, minutes: 20});
    const next = await this.sync(quiet.SyncState);
    assert.equal(next.Count, 1);
    const change = next._getItem(0);
    assert.equal(change.ChangeType, ews.ChangeType.Create);
    assert.equal(change.ItemId.UniqueId, made.id);
    await control('POST', '/items/delete', {mailbox: user, id: made.id});
    const last = await this.sync(next.SyncState);
    assert.equal(last.Count, 1);
    assert.equal(last._getItem(0).ChangeType, ews.ChangeType.Delete);
    assert.equal(last._getItem(0).ItemId.UniqueId, made.id);
  }

  // The client knows nothing of affinity: its headers and cookie are set by hand.
  async hearsAStream() {
    this.service.HttpHeaders.Add('X-AnchorMailbox', user);
    this.service.HttpHeaders.Add('X-PreferServerAffinity', 'true');
    const subscription = await this.service.SubscribeToStreamingNotifications(
      [new ews.FolderId(calendar)], ews.EventType.Created, ews.EventType.Modified);
    const given = this.service.HttpResponseHeaders.get
      ? this.service.HttpResponseHeaders.get('set-cookie')
      : this.service.HttpResponseHeaders['set-cookie'];
    const cookie = [given].flat().join(';').match(/X-BackEndOverrideCookie=[^;]+/);
    assert.ok(cookie, `no affinity cookie in ${JSON.stringify(given)}`);
    this.service.HttpHeaders.Add('Cookie', cookie[0]);
    const stream = new ews.StreamingSubscriptionConnection(this.service, 1);
    stream.AddSubscription(subscription);
    const before = (await control('GET', '/log')).counts.operations.GetStreamingEvents || 0;
    const heard = new Promise((resolve, reject) => {
      stream.OnNotificationEvent.push((_, notification) => resolve(notification.Events));
      stream.OnSubscriptionError.push((_, problem) => reject(problem.Exception));
      setTimeout(() => reject(new Error('nothing heard')), 30000).unref();
    });
    heard.catch(() => {});
    const open = stream.Open();
    open.catch(() => {});
    const opened = async () =>
      ((await control('GET', '/log')).counts.operations.GetStreamingEvents || 0) > before;
    while (!(await opened())) await new Promise((next) => setImmediate(next));
    const made = await control('POST', '/items',
      {mailbox: user, subject: 'Heard', start_ms: now + 60 * hour, minutes: 20});
    const events = await heard;
    const ids = events.map((event) => event.ItemId && event.ItemId.UniqueId);
    assert.ok(ids.includes(made.id), `${ids} without ${made.id}`);
    stream.Close();
    await control('POST', '/items/delete', {mailbox: user, id: made.id});
  }
}

async function isDeniedImpersonation() {
  const story = new Story('BASIC');
  await control('POST', `/mailboxes/${user}/impersonation`, {denied: true});
  try {
    await assert.rejects(story.view(),
      (error) => error.responseCode === ews.ServiceError.ErrorImpersonateUserDenied);
  } finally {
    await control('POST', `/mailboxes/${user}/impersonation`, {denied: false});
  }
  assert.ok((await story.view()).length > 0);
}

// Several users in one request: two that are here, one that is nowhere, one that has moved.
async function autodiscoversSeveralUsersAtOnce() {
  const moved = `moved@${facts.domain}`;
  await control('POST', '/mailboxes', {address: moved});
  await control('POST', `/mailboxes/${moved}/move`, {to: 'moved@cloud.example'});
  const service = new ews.AutodiscoverService(
    new ews.Uri(facts.autodiscover), ews.ExchangeVersion.Exchange2013_SP1);
  service.Credentials = new ews.WebCredentials(facts.account, password);
  const {ExternalEwsUrl, GroupingInformation, AlternateMailboxes} = ews.UserSettingName;
  const users = [user, other, `nobody@${facts.domain}`, moved];
  const answers = await service.GetUsersSettings(
    users, ExternalEwsUrl, GroupingInformation, AlternateMailboxes);
  assert.equal(answers.Count, 4);
  for (const at of [0, 1]) {
    const answer = answers.Responses[at];
    assert.equal(answer.SmtpAddress, users[at]);
    assert.equal(answer.Settings.get(ExternalEwsUrl), facts.url);
    assert.ok(answer.Settings.get(GroupingInformation));
    assert.equal(answer.UserSettingErrors[0].SettingName, 'AlternateMailboxes');
  }
  const codes = [2, 3].map((at) => answers.Responses[at].ErrorCode);
  assert.deepEqual(codes, [ews.AutodiscoverErrorCode.InvalidUser,
    ews.AutodiscoverErrorCode.RedirectAddress]);
  assert.equal(answers.Responses[3].RedirectTarget, 'moved@cloud.example');
}

// Markup where the schema wants text, as this client writes it for whoever forgets to escape.
async function isRefusedUnescapedMarkup() {
  const story = new Story('BASIC');
  const item = new ews.Appointment(story.service);
  item.Subject = 'Unescaped';
  item.Body = new ews.MessageBody(ews.BodyType.HTML, '<p>as it is</p>');
  item.Start = time(now + 70 * hour);
  item.End = time(now + 71 * hour);
  await assert.rejects(item.Save(calendar, ews.SendInvitationsMode.SendToNone),
    (error) => error.responseCode === ews.ServiceError.ErrorSchemaValidation);
  assert.deepEqual(await found(user, 'Unescaped'), []);
}

async function main() {
  await new Story('BASIC').run();
  await new Story('NTLM').run();
  await check('is denied impersonation where it is denied', isDeniedImpersonation);
  await check('autodiscovers several users at once', autodiscoversSeveralUsersAtOnce);
  await check('is refused unescaped markup', isRefusedUnescapedMarkup);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 || passed === 0 ? 1 : 0);
}

main();
