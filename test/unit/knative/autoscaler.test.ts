import { expect, test } from 'vitest'
import { createAutoscaler } from '../../../knative/local/serving/autoscaler.ts'
import { scalingWith } from './scaling-of.ts'

/** An autoscaler to which `concurrency` was reported in every second of [from, to). */
function autoscalerAfter(from: number, to: number, concurrency: number, annotations = {}, limit = 0) {
  const autoscaler = createAutoscaler(scalingWith(annotations, limit))
  const report = (start: number, end: number, value: number) => {
    for (let at = start; at < end; at += 1) autoscaler.record(at, value)
  }
  report(from, to, concurrency)
  return { ...autoscaler, report }
}

test('recommend() has nothing to say before the first sample, and after a silent window', () => {
  const { recommend } = autoscalerAfter(0, 1, 5)
  expect(createAutoscaler(scalingWith({})).recommend(0, 0)).toBeUndefined()
  expect(recommend(60, 1)).toBeDefined()
  expect(recommend(61, 1)).toBeUndefined()
})

test('recommend() wants a pod for every 70 requests in flight, rounded up', () => {
  expect(autoscalerAfter(0, 60, 70).recommend(59, 1)?.pods).toBe(1)
  expect(autoscalerAfter(0, 60, 71).recommend(59, 2)?.pods).toBe(2)
  expect(autoscalerAfter(0, 60, 700).recommend(59, 9)?.pods).toBe(10)
})

test('recommend() wants two pods for the first request of a function that takes one at a time', () => {
  expect(autoscalerAfter(0, 1, 1, {}, 1).recommend(0, 0)?.pods).toBe(2)
})

test('recommend() panics when the last six seconds want twice the pods that are ready', () => {
  const { recommend, report } = autoscalerAfter(0, 54, 10)
  report(54, 60, 140)
  expect(recommend(59, 2)).toMatchObject({ pods: 1, isPanicking: false, panicConcurrency: 140 })
  expect(recommend(59, 1)).toMatchObject({ pods: 2, isPanicking: true, stableConcurrency: 23 })
})

test('recommend() never takes pods away in a panic, and ends it a whole window after the last excess', () => {
  const { recommend, report } = autoscalerAfter(0, 6, 700)
  expect(recommend(5, 1)).toMatchObject({ pods: 10, isPanicking: true })
  report(6, 80, 1)
  expect(recommend(30, 10)).toMatchObject({ pods: 10, isPanicking: true })
  expect(recommend(65, 10)).toMatchObject({ pods: 10, isPanicking: true })
  expect(recommend(66, 10)).toMatchObject({ pods: 5, isPanicking: false })
})

test('recommend() extends a panic for as long as the excess lasts', () => {
  const { recommend, report } = autoscalerAfter(0, 6, 140)
  recommend(5, 1)
  report(6, 50, 140)
  recommend(49, 1)
  report(50, 110, 1)
  expect(recommend(109, 2)?.isPanicking).toBe(true)
  expect(recommend(110, 2)?.isPanicking).toBe(false)
})

test('recommend() takes away at most half of the ready pods at once', () => {
  const { recommend } = autoscalerAfter(0, 60, 1)
  expect(recommend(59, 9)?.pods).toBe(4)
  expect(recommend(59, 4)?.pods).toBe(2)
  expect(recommend(59, 2)?.pods).toBe(1)
})

test('recommend() wants no pod when a whole window was idle', () => {
  const { recommend, report } = autoscalerAfter(0, 10, 5)
  report(10, 69, 0)
  expect(recommend(68, 1)?.pods).toBe(1)
  report(69, 70, 0)
  expect(recommend(69, 1)?.pods).toBe(0)
})

test('recommend() starts as many pods as activation-scale says, for any demand but none', () => {
  const { recommend, report } = autoscalerAfter(0, 1, 1, { 'activation-scale': '3' })
  expect(recommend(0, 0)?.pods).toBe(3)
  report(1, 120, 0)
  expect(recommend(119, 1)?.pods).toBe(0)
})

test('recommend() holds pods for scale-down-delay after they were last wanted', () => {
  const { recommend, report } = autoscalerAfter(0, 60, 210, { 'scale-down-delay': '30s', window: '6s' })
  expect(recommend(59, 3)?.pods).toBe(3)
  report(60, 90, 10)
  expect(recommend(88, 3)?.pods).toBe(3)
  expect(recommend(89, 3)?.pods).toBe(1)
})

test('recommend() tells the room for a burst: ready pods x 100 - 211 - what is in flight', () => {
  const { recommend } = autoscalerAfter(0, 6, 10)
  expect(recommend(5, 1)?.excessBurstCapacity).toBe(-121)
  expect(recommend(5, 2)?.excessBurstCapacity).toBe(-21)
  expect(recommend(5, 3)?.excessBurstCapacity).toBe(79)
})

test('recommend() keeps the activator in the path always with target-burst-capacity -1, and never with 0', () => {
  const always = autoscalerAfter(0, 6, 10, { 'target-burst-capacity': '-1' })
  const never = autoscalerAfter(0, 6, 500, { 'target-burst-capacity': '0' })
  expect(always.recommend(5, 50)?.excessBurstCapacity).toBe(-1)
  expect(never.recommend(5, 1)?.excessBurstCapacity).toBe(0)
})
