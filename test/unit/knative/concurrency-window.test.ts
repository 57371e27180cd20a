import { expect, test } from 'vitest'
import { createConcurrencyWindow } from '../../../knative/local/serving/concurrency-window.ts'

test('average() counts only the seconds since the first sample while the window fills', () => {
  const window = createConcurrencyWindow(60)
  window.record(100.2, 6)
  expect(window.average(100.9)).toBe(6)
  window.record(101.2, 2)
  expect(window.average(101.9)).toBe(4)
})

test('average() counts a second that nobody reported as 0', () => {
  const window = createConcurrencyWindow(60)
  window.record(100, 6)
  window.record(102, 6)
  expect(window.average(102)).toBe(4)
})

test('average() forgets what is older than the window', () => {
  const window = createConcurrencyWindow(3)
  for (const [at, concurrency] of [9, 9, 9, 0, 0].entries()) window.record(at, concurrency)
  expect(window.average(4)).toBe(3)
  window.record(5, 0)
  expect(window.average(5)).toBe(0)
})

test('record() adds up what several reporters say about one second', () => {
  const window = createConcurrencyWindow(6)
  window.record(10.1, 1.5)
  window.record(10.6, 2.5)
  expect(window.average(10.9)).toBe(4)
})

test('record() begins anew after a silence longer than the window', () => {
  const window = createConcurrencyWindow(6)
  window.record(10, 50)
  window.record(30, 4)
  expect(window.average(30)).toBe(4)
})

test('average() has no rest of a floating point sum that keeps a pod alive', () => {
  const window = createConcurrencyWindow(3)
  for (const [at, concurrency] of [0.1, 0.2, 0.3, 0, 0, 0].entries()) window.record(at, concurrency)
  expect(window.average(5)).toBe(0)
})

test('isEmpty() is true once nothing was reported for longer than the window', () => {
  const window = createConcurrencyWindow(60)
  expect(window.isEmpty(0)).toBe(true)
  window.record(10, 1)
  expect(window.isEmpty(70)).toBe(false)
  expect(window.isEmpty(71)).toBe(true)
})
