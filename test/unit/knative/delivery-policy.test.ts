import { expect, test } from 'vitest'
import { isRetried, readDeliveryPolicy } from '../../../knative/local/eventing/delivery-policy.ts'

const waits = (policy: ReturnType<typeof readDeliveryPolicy>) => [0, 1, 2, 3].map(policy.backoffSeconds)

test('readDeliveryPolicy() doubles an exponential backoff, and starts a linear one at once', () => {
  const exponential = readDeliveryPolicy(
    { retry: 4, backoffPolicy: 'exponential', backoffDelay: 'PT0.5S' },
    undefined,
  )
  const linear = readDeliveryPolicy({ retry: 4, backoffPolicy: 'linear', backoffDelay: 'PT1M' }, undefined)
  expect(waits(exponential)).toEqual([0.5, 1, 2, 4])
  expect(waits(linear)).toEqual([0, 60, 120, 180])
})

test("readDeliveryPolicy() takes the Trigger's whole, else the Broker's, else Knative's default", () => {
  const broker = { retry: 3, backoffPolicy: 'linear', backoffDelay: 'PT1S' } as const
  expect(readDeliveryPolicy({ retry: 1 }, broker)).toMatchObject({ retries: 1 })
  expect(readDeliveryPolicy(undefined, broker)).toMatchObject({ retries: 3 })
  expect(readDeliveryPolicy(undefined, undefined)).toMatchObject({ retries: 10 })
  expect(waits(readDeliveryPolicy(undefined, undefined))).toEqual([0.2, 0.4, 0.8, 1.6])
})

test.each(['1s', 'PT', 'P', '5'])('readDeliveryPolicy() refuses duration "%s"', (backoffDelay) => {
  expect(() => readDeliveryPolicy({ backoffDelay }, undefined)).toThrow(
    `Cannot read duration "${backoffDelay}"`,
  )
})

test("isRetried() is Knative's list: no answer, 404, 408, 409, 429 and all of 5xx", () => {
  const statuses = [undefined, 301, 400, 401, 403, 404, 408, 409, 410, 422, 429, 451, 500, 502, 503]
  expect(statuses.filter(isRetried)).toEqual([undefined, 404, 408, 409, 429, 500, 502, 503])
})
