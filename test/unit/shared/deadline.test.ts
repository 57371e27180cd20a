import { expect, test } from 'vitest'
import { RequestDeadline, within } from '../../../shared/calls/deadline.ts'
import { eventually } from '../../eventually.ts'

/** A caller who may hang up. */
function openCaller() {
  const listeners = new Set<() => void>()
  const caller = {
    isGone: false,
    listeners,
    onLeave(left: () => void) {
      listeners.add(left)
      return () => void listeners.delete(left)
    },
    hangUp() {
      caller.isGone = true
      for (const left of listeners) left()
    },
  }
  return caller
}

test('RequestDeadline.signal is aborted when the caller hangs up, before or after it is looked at', () => {
  const early = openCaller()
  const deadline = new RequestDeadline(early, 60)
  early.hangUp()
  expect(deadline.signal.aborted).toBe(true)
  const late = openCaller()
  const { signal } = new RequestDeadline(late, 60)
  expect(signal.aborted).toBe(false)
  late.hangUp()
  expect(signal.aborted).toBe(true)
})

test('RequestDeadline.signal counts the time from the request on, not from the first look', async () => {
  const other = new RequestDeadline(openCaller(), 0.05)
  const deadline = new RequestDeadline(openCaller(), 0.06)
  await eventually(() => expect(deadline.signal.aborted).toBe(true))
  expect(other.signal.aborted).toBe(true)
  expect(other.signal.reason).toMatchObject({ name: 'TimeoutError' })
})

test('within() answers what the work comes to, and listens no longer', async () => {
  const caller = openCaller()
  await expect(within(new RequestDeadline(caller, 60), Promise.resolve('done'))).resolves.toBe('done')
  await expect(within(new RequestDeadline(caller, 60), Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(caller.listeners.size).toBe(0)
})

test('within() keeps nobody who hangs up or whose time is over, whatever becomes of the work', async () => {
  const caller = openCaller()
  const silent = new Promise(() => {})
  const left = within(new RequestDeadline(caller, 60), silent)
  caller.hangUp()
  await expect(left).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(within(new RequestDeadline(caller, 60), silent)).rejects.toMatchObject({ code: 'CANCELLED' })
  const late = within(new RequestDeadline(openCaller(), 0.05), silent)
  await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
})
