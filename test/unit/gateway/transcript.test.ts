import { describe, expect, test } from 'vitest'
import { Transcript } from '../../../gateway/stream-hub/transcript.ts'
import type { TokenMessage } from '../../../shared/inference/messages.ts'

const JOB = '0190b0f2-7f2b-7000-8000-000000000001'

const started = (index: number, attempt = 1): TokenMessage => ({ kind: 'started', index, attempt })
const restart = (index: number, attempt = 1): TokenMessage => ({ kind: 'restart', index, attempt })
const chunk = (index: number, text: string, attempt = 1): TokenMessage => ({
  kind: 'chunk',
  index,
  attempt,
  text,
  tokens: index,
})

function told(messages: TokenMessage[], lastEventId?: number): string[] {
  const transcript = new Transcript(JOB, lastEventId)
  return messages.flatMap((message) => {
    const told = transcript.eventFor(message)
    if (told === undefined) return []
    return [
      told.event === 'chunk' ? `chunk ${told.id} ${told.data['text'] as string}` : `${told.event} ${told.id}`,
    ]
  })
}

describe('Transcript.eventFor()', () => {
  test('tells every message once, by its index', () => {
    const log = [started(0), chunk(1, 'a'), chunk(2, 'b')]
    expect(told([...log, ...log])).toEqual(['started 0', 'chunk 1 a', 'chunk 2 b'])
  })

  test('goes on after the last event that the client has', () => {
    expect(told([started(0), chunk(1, 'a'), chunk(2, 'b'), chunk(3, 'c')], 1)).toEqual([
      'chunk 2 b',
      'chunk 3 c',
    ])
  })

  test('passes over a worker that writes after another has taken its job', () => {
    const log = [started(0), chunk(1, 'a'), restart(2, 2), chunk(3, 'late', 1), chunk(3, 'b', 2)]
    expect(told(log)).toEqual(['started 0', 'chunk 1 a', 'restart 2', 'chunk 3 b'])
  })

  test('tells what is left of a log whose beginning has expired', () => {
    expect(told([chunk(7, 'h'), chunk(8, 'i')])).toEqual(['chunk 7 h', 'chunk 8 i'])
  })
})

describe('Transcript.end()', () => {
  const completed = {
    status: 'completed' as const,
    path: 'self.soul.dialogue',
    text: 'bc',
    tokens: { prompt: 5, completion: 2 },
    finish_reason: 'length' as const,
    server: 'server-2',
    result: { response: 'bc' },
    charges: { tokens: 7 },
  }

  test('counts the chunks that stand, those before a restart not among them', () => {
    const transcript = new Transcript(JOB, 3)
    for (const message of [started(0), chunk(1, 'a'), restart(2, 2), chunk(3, 'b', 2), chunk(4, 'c', 2)]) {
      transcript.eventFor(message)
    }
    expect(transcript.end(completed)).toEqual({
      event: 'complete',
      id: 'end',
      data: {
        job: JOB,
        path: 'self.soul.dialogue',
        text: 'bc',
        tokens_used: 7,
        tokens: { prompt: 5, completion: 2 },
        finish_reason: 'length',
        server: 'server-2',
        chunks: 2,
        result: { response: 'bc' },
        charges: { tokens: 7 },
      },
    })
  })

  test('tells a failure as the problem that the call would have been', () => {
    const error = { code: 'INFERENCE_FAILED', message: 'Cannot reach the engine' }
    expect(new Transcript(JOB).end({ status: 'failed', path: 'self.soul.dialogue', error })).toMatchObject({
      event: 'error',
      data: { category: 'UNAVAILABLE', status: 503, job: JOB, ...error },
    })
  })

  test('tells a cancellation as a conflict with what the client wanted', () => {
    expect(new Transcript(JOB).end({ status: 'cancelled', path: 'self.soul.dialogue' })).toMatchObject({
      event: 'error',
      data: { code: 'CANCELLED', message: 'The job was cancelled' },
    })
  })
})
