/**
 * The parts that always run, in one list, and in the order in which they start: the gateway last, when there is something
 * behind it. A `component.ts` imports nothing but `shared`, which is why everybody may import it.
 */
import { gateway } from '../gateway/kong/component.ts'
import { redisRest } from '../gateway/redis-rest/component.ts'
import { streamHub } from '../gateway/stream-hub/component.ts'
import { webhooks } from '../gateway/webhooks/component.ts'
import { gpuWorker } from '../gpu-workers/component.ts'
import { relay } from '../knative/relay/component.ts'
import { usageExport } from '../knative/usage-export/component.ts'
import type { Component } from '../shared/contract/component.ts'

export const components: readonly Component[] = [
  redisRest,
  relay,
  streamHub,
  webhooks,
  usageExport,
  gpuWorker,
  gateway,
]
