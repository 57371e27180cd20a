import { expect, test } from 'vitest'
import { readProgress } from '../../../gpu-workers/progress.ts'
import type { TokenMessage } from '../../../shared/inference/messages.ts'

const started = (index: number, attempt = 1): TokenMessage => ({ kind: 'started', index, attempt })
const restart = (index: number, attempt: number): TokenMessage => ({ kind: 'restart', index, attempt })
const chunk = (index: number, text: string, attempt = 1): TokenMessage => {
  return { kind: 'chunk', index, attempt, text, tokens: index }
}

test('readProgress() of an empty log begins at index 0', () => {
  expect(readProgress([])).toEqual({ text: '', tokens: 0, nextIndex: 0, attempt: 0, whole: true })
})

test('readProgress() joins the chunks of attempts that continued each other', () => {
  const log = [started(0), chunk(1, 'The '), chunk(2, 'fox'), started(3, 2), chunk(4, ' sleeps', 2)]
  expect(readProgress(log)).toEqual({
    text: 'The fox sleeps',
    tokens: 4,
    nextIndex: 5,
    attempt: 2,
    whole: true,
  })
})

test('readProgress() forgets what stood before a restart, and keeps counting', () => {
  const log = [started(0), chunk(1, 'The '), restart(2, 2), chunk(3, 'A ', 2)]
  expect(readProgress(log)).toMatchObject({ text: 'A ', nextIndex: 4, attempt: 2, whole: true })
})

test('readProgress() ignores a worker that writes on after another took over', () => {
  const log = [
    started(0),
    chunk(1, 'The '),
    started(2, 2),
    chunk(2, 'fox'),
    chunk(3, 'hare', 2),
    chunk(3, ' and'),
  ]
  expect(readProgress(log)).toMatchObject({ text: 'The hare', nextIndex: 4, attempt: 2 })
})

test('readProgress() counts a message once that was written again after an outage', () => {
  const log = [started(0), chunk(1, 'The '), chunk(1, 'The '), chunk(2, 'fox')]
  expect(readProgress(log)).toMatchObject({ text: 'The fox', nextIndex: 3, whole: true })
})

test('readProgress() tells when the beginning has expired', () => {
  expect(readProgress([chunk(7, 'fox')])).toMatchObject({ nextIndex: 8, whole: false })
})
