import { describe, expect, it } from 'vitest';
import { BodyRoom } from '../../src/server/body-room.js';

/** A body that a test fills by hand. */
function body() {
  let control: ReadableStreamDefaultController<Uint8Array> | undefined;
  let cut = false;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      control = controller;
    },
    cancel() {
      cut = true;
    },
  });
  return {
    stream,
    push: (bytes: number) => control?.enqueue(new Uint8Array(bytes)),
    end: () => control?.close(),
    get cut() {
      return cut;
    },
  };
}

/** For whoever passes a body on at once. */
const atOnce = (giveBack: () => void): void => giveBack();

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('section 6: room for bodies under way', () => {
  it('is shared: the one that does not fit is cut, the others are whole, and the room comes back', async () => {
    const room = new BodyRoom(100);
    const [first, second] = [body(), body()];
    const whole = room.gather(first.stream, atOnce);
    const tooMuch = room.gather(second.stream, atOnce);
    first.push(60);
    await settled();
    second.push(40);
    await settled();
    second.push(1);
    await expect(tooMuch).rejects.toMatchObject({ code: 'BUSY', status: 503, retryAfter: 1 });
    expect(second.cut).toBe(true);
    first.push(40);
    first.end();
    expect((await whole).byteLength).toBe(100);
    const third = body();
    third.push(100);
    third.end();
    expect((await room.gather(third.stream, atOnce)).byteLength).toBe(100);
  });

  it('comes back when a body breaks off', async () => {
    const room = new BodyRoom(10);
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array(10));
      },
      pull(controller) {
        controller.error(new Error('broken'));
      },
    });
    await expect(room.gather(broken, atOnce)).rejects.toThrow('broken');
    const next = body();
    next.push(10);
    next.end();
    expect((await room.gather(next.stream, atOnce)).byteLength).toBe(10);
  });

  it('takes nothing for no body', async () => {
    expect((await new BodyRoom(0).gather(null, atOnce)).byteLength).toBe(0);
  });
});
