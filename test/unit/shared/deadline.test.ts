import { expect, test } from 'vitest'
import { RequestDeadline } from '../../../shared/calls/deadline.ts'
import { eventually } from '../../eventually.ts'

test('RequestDeadline.signal is aborted when the caller hangs up, before or after it is looked at', () => {
  const early = new AbortController()
  const deadline = new RequestDeadline(early, 60)
  early.abort()
  expect(deadline.signal.aborted).toBe(true)
  const late = new AbortController()
  const { signal } = new RequestDeadline(late, 60)
  expect(signal.aborted).toBe(false)
  late.abort()
  expect(signal.aborted).toBe(true)
})

test('RequestDeadline.signal counts the time from the request on, not from the first look', async () => {
  const other = new RequestDeadline(new AbortController(), 0.05)
  const deadline = new RequestDeadline(new AbortController(), 0.05)
  await eventually(() => expect(deadline.signal.aborted).toBe(true))
  expect(other.signal.aborted).toBe(true)
  expect(other.signal.reason).toMatchObject({ name: 'TimeoutError' })
})
