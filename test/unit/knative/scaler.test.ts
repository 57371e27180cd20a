import { expect, test } from 'vitest'
import { createScaler } from '../../../knative/local/serving/scaler.ts'
import type { Recommendation } from '../../../knative/local/serving/autoscaler.ts'
import { scalingWith } from './scaling-of.ts'

const wants = (pods: number, excessBurstCapacity = -1): Recommendation => ({
  pods,
  excessBurstCapacity,
  stableConcurrency: pods,
  panicConcurrency: pods,
  isPanicking: false,
})

test('decide() starts with no pod, and with the first recommendation has as many as it says', () => {
  const scaler = createScaler(scalingWith({}))
  expect(scaler.decide(0, undefined, 0)).toBe(0)
  expect(scaler.decide(2, wants(3), 0)).toBe(3)
})

test('decide() stays within min-scale and max-scale', () => {
  const scaler = createScaler(scalingWith({ 'min-scale': '1', 'max-scale': '4' }))
  expect(scaler.decide(0, undefined, 0)).toBe(1)
  expect(scaler.decide(2, wants(9), 1)).toBe(4)
  expect(scaler.decide(4, wants(0), 4)).toBe(1)
})

test('decide() holds initial-scale until that many pods were ready once', () => {
  const scaler = createScaler(scalingWith({ 'initial-scale': '2' }))
  expect(scaler.decide(0, undefined, 0)).toBe(2)
  expect(scaler.decide(2, wants(0), 1)).toBe(2)
  expect(scaler.decide(70, wants(0), 2)).toBe(0)
})

test('decide() takes the last pod at once where the activator was in the path all along', () => {
  const scaler = createScaler(scalingWith({}))
  scaler.decide(0, wants(1), 0)
  scaler.decide(2, wants(1), 1)
  expect(scaler.decide(64, wants(0), 1)).toBe(0)
})

test('decide() keeps one pod until the function was active for a whole window', () => {
  const scaler = createScaler(scalingWith({}))
  scaler.decide(10, wants(3), 3)
  expect(scaler.decide(69, wants(0), 3)).toBe(1)
  expect(scaler.decide(70, wants(0), 1)).toBe(0)
})

test('decide() gives the activator 30 seconds in the path before the last pod goes', () => {
  const scaler = createScaler(scalingWith({}))
  scaler.decide(0, wants(1, 0), 1)
  expect(scaler.mode).toBe('Serve')
  expect(scaler.decide(70, wants(0), 1)).toBeUndefined()
  expect(scaler.mode).toBe('Proxy')
  expect(scaler.decide(98, wants(0), 1)).toBeUndefined()
  expect(scaler.decide(100, wants(0), 1)).toBe(0)
})

test('decide() keeps the last pod for scale-to-zero-pod-retention-period', () => {
  const scaler = createScaler(scalingWith({ 'scale-to-zero-pod-retention-period': '5m' }))
  scaler.decide(0, wants(1), 1)
  expect(scaler.decide(70, wants(0), 1)).toBeUndefined()
  expect(scaler.decide(368, wants(0), 1)).toBeUndefined()
  expect(scaler.decide(370, wants(0), 1)).toBe(0)
})

test('decide() does not give up a pod that is still starting, unless it takes ten minutes', () => {
  const scaler = createScaler(scalingWith({}))
  scaler.decide(0, wants(1), 0)
  expect(scaler.decide(120, wants(0), 0)).toBeUndefined()
  expect(scaler.decide(602, wants(0), 0)).toBe(0)
})

test('decide() forgets about zero when a request comes in time', () => {
  const scaler = createScaler(scalingWith({}))
  scaler.decide(0, wants(1, 0), 1)
  scaler.decide(70, wants(0), 1)
  expect(scaler.decide(72, wants(1, 0), 1)).toBe(1)
  expect(scaler.decide(110, wants(0), 1)).toBe(1)
})

test('mode is Proxy without pods and without room for a burst, and Serve else', () => {
  const scaler = createScaler(scalingWith({}))
  expect(scaler.mode).toBe('Proxy')
  scaler.decide(0, wants(2, -21), 2)
  expect(scaler.mode).toBe('Proxy')
  scaler.decide(2, wants(3, 79), 3)
  expect(scaler.mode).toBe('Serve')
})
