import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { ClientStream } from '../../../gateway/stream-hub/subscriptions/client-stream.ts'

/** A client that reads when the test says so. */
class Client extends EventEmitter {
  readonly got: string[] = []
  reads = true
  destroyed = false
  writableEnded = false
  get writableNeedDrain() {
    return !this.reads
  }
  writeHead() {
    return this
  }
  write(text: string) {
    this.got.push(text)
    return this.reads
  }
  end() {
    this.writableEnded = true
  }
  destroy() {
    this.destroyed = true
    this.emit('close')
  }
  readAgain() {
    this.reads = true
    this.emit('drain')
  }
}

function open(buffer: number) {
  const client = new Client()
  let dropped = 0
  const stream = new ClientStream({
    response: client as unknown as ServerResponse,
    buffer,
    stalledMs: 60_000,
    onDropped: (count) => (dropped += count),
  })
  return { client, stream, dropped: () => dropped }
}

describe('a client stream', () => {
  test('sends what was offered before it started behind its first event', () => {
    const { client, stream } = open(10)
    stream.offer('early')
    stream.start('first')
    stream.offer('late')
    expect(client.got).toEqual(['retry: 1000\nfirst', 'early', 'late'])
    stream.end()
  })

  test('keeps the newest for a client that does not read, and tells it how many are gone', () => {
    const { client, stream, dropped } = open(3)
    stream.start('')
    client.reads = false
    for (let at = 0; at < 10; at++) stream.offer(`event ${at}`)
    expect(client.got).toEqual(['retry: 1000\n', 'event 0'])
    client.readAgain()
    expect(client.got.slice(2)).toEqual([
      'event: dropped\ndata: {"event_type":"dropped","count":6,"reason":"buffer_full"}\n\n',
      'event 7',
      'event 8',
      'event 9',
    ])
    expect(dropped()).toBe(6)
    client.destroy()
  })

  test('holds at most some megabytes for a client, however large the buffer and the events', () => {
    const { client, stream, dropped } = open(10_000)
    stream.start('')
    client.reads = false
    const text = 'x'.repeat(1024 * 1024)
    for (let at = 0; at < 50; at++) stream.offer(text)
    expect(dropped()).toBe(45)
    client.destroy()
  })

  test('gives room when the client has read, and when it has left', async () => {
    const { client, stream } = open(10)
    stream.start('')
    client.reads = false
    stream.send('much')
    const room = stream.room()
    client.readAgain()
    await room
    client.reads = false
    stream.send('much')
    const left = stream.room()
    client.destroy()
    await left
  })

  test('beats only where there is nothing else to read', () => {
    const { client, stream } = open(10)
    stream.start('')
    client.reads = false
    stream.offer('event')
    stream.beat(7)
    client.readAgain()
    stream.beat(8)
    expect(client.got.join('')).not.toContain('id: 7')
    expect(client.got.join('')).toContain('event: heartbeat\nid: 8\n')
    client.destroy()
  })
})
