// A menu board on the vendor's SDK, unchanged, at the daemon's door for pages.
//
// It shows the data item `menu-board/today`, changes with each `update` of it, answers `identify`
// by showing the device's name, and plays on `fling` what the launch document names.
'use strict';

const SETTINGS = new URLSearchParams(location.search);
const OPTIONS = {
  // The door that served this page; another one where the page comes from elsewhere:
  // ?host=http://127.0.0.1:9980
  host: SETTINGS.get('host') || location.origin,
  // What `[[web.apps]]` of the daemon's settings says of this page. It is a key of the door, not of
  // EXP.
  uuid: SETTINGS.get('uuid') || 'menu-board',
  apiKey: SETTINGS.get('key') || 'menu-board-key',
};
const GROUP = 'menu-board';
const KEY = 'today';
const IDENTIFY_MS = 10_000;

const find = (id) => document.getElementById(id);

// element('p', {className: 'x'}, child, …): text stays text, whatever a payload holds.
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// The prices on screen, by dish: what differs from them is marked for a moment.
let shown = new Map();

function dish({ name = '', about = '', price = '', soldOut = false }) {
  const changed = shown.size > 0 && shown.get(name) !== `${price}${soldOut}`;
  const row = element('li', { className: `${soldOut ? 'sold-out' : ''} ${changed ? 'changed' : ''}` });
  row.append(element('span', { className: 'name' }, String(name)), element('span', { className: 'price' }, String(price)));
  if (about) row.append(element('span', { className: 'about' }, String(about)));
  return row;
}

function show(menu) {
  const { title = 'Menu', note = '', sections = [] } = menu || {};
  find('title').textContent = title;
  find('note').textContent = note;
  find('sections').replaceChildren(
    ...sections.map(({ name = '', dishes = [] }) =>
      element('section', {}, element('h2', {}, String(name)), element('ul', {}, ...dishes.map(dish)))),
  );
  const all = sections.flatMap(({ dishes = [] }) => dishes);
  shown = new Map(all.map(({ name, price = '', soldOut = false }) => [name, `${price}${soldOut}`]));
}

function say(state) {
  document.body.classList.toggle('online', state === 'online');
  find('state').textContent = state;
}

let hideIdentity;
function identify(device) {
  const [name, uuid] = find('identity').querySelectorAll('strong, span');
  name.textContent = device ? device.name || device.uuid : 'Menu board';
  uuid.textContent = device ? device.uuid : location.host;
  find('identity').classList.add('on');
  clearTimeout(hideIdentity);
  hideIdentity = setTimeout(() => find('identity').classList.remove('on'), IDENTIFY_MS);
}

function leaveStage() {
  find('stage').classList.remove('on');
  find('stage').replaceChildren();
}

// Plays a file, an app or a URL of the content tree, and says whether it does: a launch document
// without content brings the menu back.
async function fling(exp, launch) {
  const uuid = launch && (launch.content ? launch.content.uuid || launch.content : launch.uuid);
  if (!uuid) {
    leaveStage();
    return false;
  }
  const content = await exp.getContent(uuid);
  if (!content) throw new Error(`there is no content ${uuid}`);
  const type = content.document.mimeType || '';
  const played = type.startsWith('image/')
    ? element('img', { alt: content.name })
    : type.startsWith('video/')
      ? element('video', { autoplay: true, muted: true, loop: Boolean(launch.loop), onended: leaveStage })
      : element('iframe', { allow: 'autoplay' });
  await new Promise((resolve, reject) => {
    played.onload = played.onloadeddata = resolve;
    played.onerror = () => reject(new Error(`${content.name} cannot be played`));
    played.src = content.getUrl();
    find('stage').replaceChildren(played);
    find('stage').classList.add('on');
  }).catch((error) => {
    leaveStage();
    throw error;
  });
  return true;
}

async function start() {
  const exp = EXP.start(OPTIONS);
  exp.on('online', () => say('online'));
  exp.on('offline', () => say('offline'));
  exp.on('error', (error) => say(String(error.message || error)));

  const refresh = async () => show((await exp.getData(GROUP, KEY))?.value);
  const item = exp.getChannel(`data:${KEY}:${GROUP}`, { system: true });
  const follow = () => refresh().catch((error) => say(error.message));
  await item.listen('update', follow);
  // What changed while the page was away is read, not waited for.
  exp.on('online', follow);
  await refresh();

  const device = await exp.getCurrentDevice();
  if (device) {
    const channel = device.getChannel();
    await channel.listen('identify', (_payload, respond) => {
      identify(device);
      respond({ name: device.name });
    });
    await channel.listen('fling', (payload, respond) => {
      fling(exp, payload).then(
        (playing) => respond({ playing }),
        (error) => respond({ playing: false, reason: error.message }),
      );
    });
  }
}

start().catch((error) => say(error.message));
