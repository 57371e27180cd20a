import { expect, test } from 'vitest'
import { readScaling } from '../../../knative/local/serving/scaling.ts'
import { scalingWith, serviceWith } from './scaling-of.ts'

test('readScaling() has the defaults of Knative: 70 of 100 requests per pod, 60 and 6 seconds, panic at twice', () => {
  expect(scalingWith({})).toEqual({
    containerConcurrency: 0,
    total: 100,
    target: 70,
    minScale: 0,
    maxScale: 0,
    initialScale: 0,
    activationScale: 1,
    windowSeconds: 60,
    panicWindowSeconds: 6,
    panicThreshold: 2,
    scaleDownDelaySeconds: 0,
    podRetentionSeconds: 0,
    targetBurstCapacity: 211,
  })
})

test('readScaling() aims at 70 % of the hard limit, which a target may lower and not raise', () => {
  expect(scalingWith({}, 10)).toMatchObject({ total: 10, target: 7 })
  expect(scalingWith({ target: '4' }, 10)).toMatchObject({ total: 4, target: 2.8 })
  expect(scalingWith({ target: '400' }, 10)).toMatchObject({ total: 10, target: 7 })
  expect(scalingWith({ target: '400', 'target-utilization-percentage': '50' })).toMatchObject({ target: 200 })
})

test('readScaling() reads durations as Go writes them', () => {
  expect(scalingWith({ window: '1m30s', 'panic-window-percentage': '20' })).toMatchObject({
    windowSeconds: 90,
    panicWindowSeconds: 18,
  })
  expect(scalingWith({ 'scale-to-zero-pod-retention-period': '5m' })).toMatchObject({
    podRetentionSeconds: 300,
  })
})

test.each([
  ['class', 'hpa.autoscaling.knative.dev', 'does not support it'],
  ['metric', 'rps', 'does not support it'],
  ['max-scal', '3', 'does not support it'],
  ['window', 'a while', 'not a duration'],
  ['target', 'many', 'not a number'],
])('readScaling() refuses %s "%s", naming the function and the annotation', (name, value, reason) => {
  const service = serviceWith({ [name]: value })
  expect(() => readScaling(service)).toThrow(
    `Cannot scale "hello" by autoscaling.knative.dev/${name} "${value}"`,
  )
  expect(() => readScaling(service)).toThrow(reason)
})
