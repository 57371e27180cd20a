/** Everything that is served, in one list; nothing is found by scanning folders. */
import type { FunctionDefinition } from '../shared/contract/function.ts'
import { logos } from './agentese/logos.ts'
import { selfSoul } from './agentese/self-soul.ts'
import { timeFuture } from './agentese/time-future.ts'
import { timePast } from './agentese/time-past.ts'
import { timeSchedule } from './agentese/time-schedule.ts'
import { timeTrace } from './agentese/time-trace.ts'
import { voidEntropy } from './agentese/void-entropy.ts'
import { health } from './control/health.ts'
import { issueToken } from './control/issue-token.ts'
import { jobs } from './control/jobs.ts'
import { jsonWebKeys } from './control/json-web-keys.ts'
import { reference } from './control/reference.ts'

export const catalog: readonly FunctionDefinition[] = [
  issueToken,
  jsonWebKeys,
  health,
  logos,
  voidEntropy,
  selfSoul,
  timeTrace,
  timePast,
  timeSchedule,
  timeFuture,
  jobs,
  reference,
]
