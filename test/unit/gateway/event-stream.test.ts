import type { ServerResponse } from 'node:http'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openEventStream } from '../../../gateway/stream-hub/event-stream.ts'
import { JOB_WIRE } from '../../../gateway/stream-hub/wire.ts'

/** A client that reads only when the test says so. */
class Client extends Writable {
  text = ''
  headers: Record<string, unknown> = {}
  #waiting: (() => void)[] = []

  writeHead(_status: number, headers: Record<string, unknown>): void {
    this.headers = headers
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    this.#waiting.push(done)
  }

  async reads(): Promise<void> {
    for (let done = this.#waiting.shift(); done !== undefined; done = this.#waiting.shift()) {
      done()
      await vi.advanceTimersByTimeAsync(0)
    }
  }
}

function open() {
  const client = new Client()
  const onSlow = vi.fn<() => void>()
  const stream = openEventStream(
    client as unknown as ServerResponse,
    { location: '/v1/jobs/1' },
    JOB_WIRE.opening,
    onSlow,
  )
  return { client, stream, onSlow }
}

const chunk = (text: string) => JOB_WIRE.write({ event: 'chunk', id: 1, data: { text } })

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('openEventStream()', () => {
  test('writes events and comments as the standard has them', async () => {
    const { client, stream } = open()
    stream.send(chunk('a\nb'))
    stream.beat()
    stream.send(JOB_WIRE.write({ event: 'complete', id: 'end', data: {} }))
    stream.end()
    await client.reads()
    expect(client.headers).toMatchObject({ location: '/v1/jobs/1', 'x-accel-buffering': 'no' })
    expect(client.text).toBe(
      'retry: 1000\nevent: chunk\nid: 1\ndata: {"text":"a\\nb"}\n\n: still here\nevent: complete\nid: end\ndata: {}\n\n',
    )
  })

  test('cuts off a client for which too much waits', () => {
    const { client, stream, onSlow } = open()
    for (let sent = 0; sent < 5; sent++) stream.send(chunk('x'.repeat(1_000_000)))
    expect(onSlow).toHaveBeenCalledTimes(1)
    expect(client.destroyed).toBe(true)
  })

  test('cuts off a client that has not read for long, also after the end', async () => {
    const { client, stream, onSlow } = open()
    stream.send(chunk('x'.repeat(100_000)))
    stream.end()
    await vi.advanceTimersByTimeAsync(29_999)
    expect(onSlow).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(onSlow).toHaveBeenCalledTimes(1)
    expect(client.destroyed).toBe(true)
  })

  test('bears a client that reads late', async () => {
    const { client, stream, onSlow } = open()
    stream.send(chunk('x'.repeat(100_000)))
    await vi.advanceTimersByTimeAsync(20_000)
    await client.reads()
    stream.send(chunk('x'.repeat(100_000)))
    await vi.advanceTimersByTimeAsync(20_000)
    await client.reads()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(onSlow).not.toHaveBeenCalled()
  })
})
