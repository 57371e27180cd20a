/**
 * Everything that is served, in one list; nothing is found by scanning folders. Each function is loaded when it is wanted:
 * a process starts with those that it serves, and reads the others when a caller asks for what they are.
 */
import type { Loaders } from '../shared/contract/catalog.ts'

export const loaders: Loaders = {
  'issue-token': async () => (await import('./control/issue-token.ts')).issueToken,
  'json-web-keys': async () => (await import('./control/json-web-keys.ts')).jsonWebKeys,
  health: async () => (await import('./control/health.ts')).health,
  logos: async () => (await import('./control/logos.ts')).logos,
  'void-entropy': async () => (await import('./agentese/void/entropy.ts')).voidEntropy,
  'void-gratitude': async () => (await import('./agentese/void/gratitude.ts')).voidGratitude,
  'void-serendipity': async () => (await import('./agentese/void/serendipity.ts')).voidSerendipity,
  'self-soul': async () => (await import('./agentese/self/soul.ts')).selfSoul,
  'self-kgent': async () => (await import('./agentese/self/kgent.ts')).selfKgent,
  'self-memory': async () => (await import('./agentese/self/memory.ts')).selfMemory,
  'self-semaphore': async () => (await import('./agentese/self/semaphore.ts')).selfSemaphore,
  'self-capabilities': async () => (await import('./agentese/self/capabilities.ts')).selfCapabilities,
  'self-consent': async () => (await import('./agentese/self/consent.ts')).selfConsent,
  'self-state': async () => (await import('./agentese/self/state.ts')).selfState,
  'self-identity': async () => (await import('./agentese/self/identity.ts')).selfIdentity,
  'world-purgatory': async () => (await import('./agentese/world/purgatory.ts')).worldPurgatory,
  'time-trace': async () => (await import('./agentese/time/trace.ts')).timeTrace,
  'time-past': async () => (await import('./agentese/time/past.ts')).timePast,
  'time-schedule': async () => (await import('./agentese/time/schedule.ts')).timeSchedule,
  'time-future': async () => (await import('./agentese/time/future.ts')).timeFuture,
  world: async () => (await import('./agentese/world/entity.ts')).world,
  'world-agent': async () => (await import('./agentese/world/agent.ts')).worldAgent,
  'world-tool': async () => (await import('./agentese/world/tool.ts')).worldTool,
  concept: async () => (await import('./agentese/concept/concept.ts')).concept,
  'api-keys': async () => (await import('./control/api-keys.ts')).apiKeys,
  members: async () => (await import('./control/members.ts')).members,
  invitations: async () => (await import('./control/invitations.ts')).invitations,
  tenant: async () => (await import('./control/tenant.ts')).tenant,
  audit: async () => (await import('./control/audit.ts')).audit,
  jobs: async () => (await import('./control/jobs.ts')).jobs,
  reference: async () => (await import('./control/reference.ts')).reference,
  subscribe: async () => (await import('./control/subscribe.ts')).subscribe,
  'events-in': async () => (await import('./control/events-in.ts')).eventsIn,
  'event-mappings': async () => (await import('./control/event-mappings.ts')).eventMappings,
  'dead-letters': async () => (await import('./control/dead-letters.ts')).deadLetterSink,
  subscriptions: async () => (await import('./control/subscriptions.ts')).subscriptions,
}
