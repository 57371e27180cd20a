/** Everything that is served, in one list; nothing is found by scanning folders. */
import type { FunctionDefinition } from '../shared/contract/function.ts'
import { concept } from './agentese/concept.ts'
import { logos } from './agentese/logos.ts'
import { selfCapabilities } from './agentese/self-capabilities.ts'
import { selfConsent } from './agentese/self-consent.ts'
import { selfIdentity } from './agentese/self-identity.ts'
import { selfKgent } from './agentese/self-kgent.ts'
import { selfMemory } from './agentese/self-memory.ts'
import { selfSemaphore } from './agentese/self-semaphore.ts'
import { selfSoul } from './agentese/self-soul.ts'
import { selfState } from './agentese/self-state.ts'
import { timeFuture } from './agentese/time-future.ts'
import { timePast } from './agentese/time-past.ts'
import { timeSchedule } from './agentese/time-schedule.ts'
import { timeTrace } from './agentese/time-trace.ts'
import { voidEntropy } from './agentese/void-entropy.ts'
import { voidGratitude } from './agentese/void-gratitude.ts'
import { voidSerendipity } from './agentese/void-serendipity.ts'
import { worldPurgatory } from './agentese/world-purgatory.ts'
import { world } from './agentese/world.ts'
import { worldAgent } from './agentese/world-agent.ts'
import { worldTool } from './agentese/world-tool.ts'
import { eventMappings } from './control/event-mappings.ts'
import { eventsIn } from './control/events-in.ts'
import { health } from './control/health.ts'
import { issueToken } from './control/issue-token.ts'
import { jobs } from './control/jobs.ts'
import { jsonWebKeys } from './control/json-web-keys.ts'
import { reference } from './control/reference.ts'
import { subscribe } from './control/subscribe.ts'
import { subscriptions } from './control/subscriptions.ts'

export const catalog: readonly FunctionDefinition[] = [
  issueToken,
  jsonWebKeys,
  health,
  logos,
  voidEntropy,
  voidGratitude,
  voidSerendipity,
  selfSoul,
  selfKgent,
  selfMemory,
  selfSemaphore,
  selfCapabilities,
  selfConsent,
  selfState,
  selfIdentity,
  worldPurgatory,
  timeTrace,
  timePast,
  timeSchedule,
  timeFuture,
  world,
  worldAgent,
  worldTool,
  concept,
  jobs,
  reference,
  subscribe,
  eventsIn,
  eventMappings,
  subscriptions,
]
