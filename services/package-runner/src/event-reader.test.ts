import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskEvent } from './contract.js';
import { EventReader } from './event-reader.js';

function reader(now = () => 0): {
  events: TaskEvent[];
  write: (text: string | Uint8Array) => void;
  reader: EventReader;
} {
  const events: TaskEvent[] = [];
  const made = new EventReader({ onEvent: (event) => events.push(event), now });
  return { events, reader: made, write: (text) => made.write(Buffer.from(text)) };
}

test('lines are put together from any pieces, characters too', () => {
  const { events, write } = reader();
  const bytes = Buffer.from('{"event":"log","message":"Größe"}\n{"event":"progress","step":1}\n');
  for (const byte of bytes) write(Uint8Array.of(byte));
  assert.deepEqual(events, [
    { event: 'log', level: 'info', message: 'Größe' },
    { event: 'progress', step: 1 },
  ]);
});

test('what is no event is dropped and counted, unknown fields are left out', () => {
  const { events, write, reader: made } = reader();
  write(
    'nonsense\n[]\n{"event":"reboot"}\n{"event":"progress","step":"one"}\n\n{"event":"progress","step":2,"extra":{}}\n',
  );
  assert.deepEqual(events, [{ event: 'progress', step: 2 }]);
  assert.equal(made.dropped, 4);
});

test('a line without end does not fill the memory', () => {
  const { events, write, reader: made } = reader();
  for (let i = 0; i < 100; i += 1) write('x'.repeat(10_000));
  write('\n{"event":"progress","step":3}\n');
  assert.deepEqual(events, [{ event: 'progress', step: 3 }]);
  assert.equal(made.dropped, 1);
});

test('a burst passes, a flood is thinned out to the rate', () => {
  let time = 0;
  const { events, write, reader: made } = reader(() => time);
  const line = '{"event":"progress","step":1}\n';
  write(line.repeat(300));
  assert.equal(events.length, 200);
  time = 1000;
  write(line.repeat(300));
  assert.equal(events.length, 250);
  assert.equal(made.dropped, 350);
});

test('a last line without an end counts', () => {
  const { events, write, reader: made } = reader();
  write('{"event":"progress","step":4}');
  assert.equal(events.length, 0);
  made.end();
  assert.equal(events.length, 1);
});
