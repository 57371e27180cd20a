import { expect, test } from 'vitest'
import { FunctionConfig } from '../../../shared/runtime/config.ts'

const { EGRESS_PRIVATE_ALLOWED: origins } = FunctionConfig.shape

test('EGRESS_PRIVATE_ALLOWED lists origins, and none where it is not set', () => {
  expect(origins.parse(undefined)).toEqual([])
  expect(origins.parse('http://tools.svc:8080, https://intranet.example.com')).toEqual([
    'http://tools.svc:8080',
    'https://intranet.example.com',
  ])
  expect(origins.safeParse('tools.svc').success).toBe(false)
  expect(origins.safeParse('file:///etc').success).toBe(false)
})
