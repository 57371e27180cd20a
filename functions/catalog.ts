/** Everything that is served, in one list; nothing is found by scanning folders. */
import type { FunctionDefinition } from '../shared/contract/function.ts'
import { logos } from './agentese/logos.ts'
import { selfSoul } from './agentese/self-soul.ts'
import { voidEntropy } from './agentese/void-entropy.ts'
import { health } from './control/health.ts'
import { issueToken } from './control/issue-token.ts'
import { jobs } from './control/jobs.ts'
import { jsonWebKeys } from './control/json-web-keys.ts'
import { subscribe } from './control/subscribe.ts'

export const catalog: readonly FunctionDefinition[] = [
  issueToken,
  jsonWebKeys,
  health,
  logos,
  voidEntropy,
  selfSoul,
  jobs,
  subscribe,
]
