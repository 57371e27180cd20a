/** The order in which test files run: the longest ones first, so that none of them is left over when all others have ended. */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** In minutes of waiting or computing, longest first; vitest knows no durations yet when it runs in a fresh clone. */
const LONG = [
  'platform/faults',
  'laws/fuzz',
  'gpu-workers/engines',
  'platform/soak',
  'platform/start',
  'gateway/subscriptions',
  'gpu-workers/worker-process',
  'local/main',
  'functions/catalog',
  'laws/categories',
  'gpu-workers/worker',
  'relay/outbox',
  'local/postgres',
  'local/wheels',
  'knative/serving',
]

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b))
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONG.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`))
  return rank === -1 ? LONG.length : rank
}
