import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Ending, JobRow } from '../../../gateway/stream-hub/ending.ts'
import { followJob } from '../../../gateway/stream-hub/follow-job.ts'
import type { LogReader } from '../../../gateway/stream-hub/token-logs.ts'
import { createEvent } from '../../../shared/events/event.ts'
import { eventually } from '../../eventually.ts'

const TENANT = '0190b0f2-7f2b-7000-8000-00000000000a'
const JOB = '0190b0f2-7f2b-7000-8000-000000000001'
const HEARTBEAT_MS = 15_000
const completed: Ending = { status: 'completed', path: 'self.soul.dialogue', result: { response: 'hi' } }

/** A job that is followed, with its log and its row in the hands of the test. */
function follow(given: { row?: JobRow; closed?: boolean } = {}) {
  const state = {
    connected: true,
    closed: given.closed ?? false,
    row: undefined as JobRow | undefined,
    asked: 0,
  }
  const seen: unknown[] = []
  let beats = 0
  let reader: LogReader | undefined
  const stop = followJob({
    tenant: TENANT,
    job: JOB,
    logs: {
      get connected() {
        return state.connected
      },
      read(_tenant, _job, each) {
        reader = each
        return () => (reader = undefined)
      },
      isClosed: async () => state.closed,
    },
    async readRow() {
      state.asked++
      return state.row
    },
    heartbeatMs: HEARTBEAT_MS,
    ...(given.row === undefined ? {} : { row: given.row }),
    onMessage: (message) => seen.push(message.index),
    onBeat: () => beats++,
    onEnd: (ending) => seen.push(ending),
  })
  return {
    state,
    seen,
    stop,
    log: () => {
      if (reader === undefined) throw new Error('nobody reads the log')
      return reader
    },
    isRead: () => reader !== undefined,
    beats: () => beats,
  }
}

function closingEvent(data: unknown) {
  return createEvent(
    { source: '/functions/self-soul', type: 'io.kgents.job.completed', tenant: TENANT, data },
    'a2V5',
  )
}

const beat = (times = 1) => vi.advanceTimersByTimeAsync(times * HEARTBEAT_MS)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('followJob()', () => {
  test('tells messages, and ends with the closing event; then nothing is read any more', () => {
    const job = follow()
    job.log().onMessage({ kind: 'started', index: 0, attempt: 1 })
    job.log().onClosed(closingEvent(completed))
    expect(job.seen).toEqual([0, completed])
    expect(job.isRead()).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('asks nobody while messages come', async () => {
    const job = follow()
    for (let index = 0; index < 8; index++) {
      await beat()
      job.log().onMessage({ kind: 'started', index, attempt: 1 })
    }
    expect(job.state.asked).toBe(0)
    expect(job.beats()).toBe(8)
  })

  test('asks for the row at every heartbeat while NATS is away, and ends by it', async () => {
    const job = follow()
    Object.assign(job.state, { connected: false, row: { status: 'running' } })
    await beat(2)
    expect(job.state.asked).toBe(2)
    job.state.row = completed
    await beat()
    expect(job.seen).toEqual([completed])
  })

  test('asks for the row after a long silence, for a log that was lost unnoticed', async () => {
    const job = follow()
    job.state.row = completed
    await beat(3)
    expect(job.state.asked).toBe(0)
    await beat()
    expect(job.seen).toEqual([completed])
  })

  test('asks for the row when the log was out of sight', async () => {
    const job = follow()
    job.state.row = completed
    job.log().onReopened()
    await eventually(() => expect(job.seen).toEqual([completed]))
  })

  test('ends a job that has ended already by its row, where its log is gone', async () => {
    const job = follow({ row: completed })
    await eventually(() => expect(job.seen).toEqual([completed]))
    expect(job.state.asked).toBe(0)
  })

  test('lets the log tell a job that has ended already, where it still can', async () => {
    const job = follow({ row: completed, closed: true })
    await vi.advanceTimersByTimeAsync(0)
    expect(job.seen).toEqual([])
    job.log().onMessage({ kind: 'started', index: 0, attempt: 1 })
    job.log().onClosed(closingEvent({ ...completed, text: 'hi' }))
    expect(job.seen).toEqual([0, { ...completed, text: 'hi' }])
  })

  test('asks for the row where the closing event cannot be understood', async () => {
    const job = follow()
    job.state.row = completed
    job.log().onClosed(closingEvent({ nonsense: true }))
    await eventually(() => expect(job.seen).toEqual([completed]))
  })

  test('tells nothing after it was stopped', async () => {
    const job = follow()
    const log = job.log()
    job.stop()
    log.onMessage({ kind: 'started', index: 0, attempt: 1 })
    log.onClosed(closingEvent(completed))
    await beat(5)
    expect(job.seen).toEqual([])
    expect(job.beats()).toBe(0)
  })
})
