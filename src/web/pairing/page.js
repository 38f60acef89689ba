'use strict';

// Asks for the state every second: the code changes while somebody types it elsewhere.
const INTERVAL = 1000;

const main = document.getElementById('instances');
let shown = '';

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.textContent = text;
  return made;
}

function section({ instance, state, code, uuid }) {
  const made = document.createElement('section');
  made.append(element('h1', '', instance === 'default' ? 'expd' : instance));
  if (code) {
    made.append(element('p', 'code', code), element('p', 'hint', 'Type this code where the device is to be paired.'));
  } else {
    made.append(element('p', `state ${state}`, state));
    if (uuid) made.append(element('p', 'hint', uuid));
  }
  return made;
}

async function update() {
  let instances;
  try {
    const response = await fetch('/pairing/state', { cache: 'no-store' });
    instances = await response.json();
  } catch {
    instances = [{ instance: 'default', state: 'away' }];
  }
  const now = JSON.stringify(instances);
  if (now !== shown) {
    shown = now;
    main.replaceChildren(...instances.map(section));
  }
  setTimeout(update, INTERVAL);
}

update();
