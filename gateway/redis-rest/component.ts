/** The contract of the REST front of Redis. */
import { z } from 'zod'
import { DESCRIPTIONS, ServerSettings } from '../../shared/config.ts'
import { defineComponent } from '../../shared/contract/component.ts'

export const redisRest = defineComponent({
  name: 'redis-rest',
  summary: 'The Upstash REST protocol in front of an ordinary Redis',
  program: 'gateway/redis-rest/main.ts',
  env: z.object({
    ...ServerSettings.shape,
    REDIS_URL: z.url({ protocol: /^rediss?$/ }).describe('Redis or Valkey, with its password'),
    UPSTASH_REDIS_REST_TOKEN: z.string().min(1).describe(DESCRIPTIONS.UPSTASH_REDIS_REST_TOKEN),
  }),
  secrets: ['REDIS_URL', 'UPSTASH_REDIS_REST_TOKEN'],
  reaches: ['redis'],
  serves: 'redis',
  scale: {
    replicas: 2,
    cpu: { request: '100m', limit: '1' },
    memory: { request: '64Mi', limit: '256Mi' },
    graceSeconds: 10,
  },
})
