/** Every type of event that the platform makes itself, with the shape of its data. */
import { z } from 'zod'
import { JobCancelled, JobCompleted, JobFailed, JobRequested, JobStarted } from '../inference/job-events.ts'
import { Completion, InferenceFailure } from '../inference/messages.ts'
import { PlanChanged } from './plan-changed.ts'
import { AgentStepped, ChangeData, InvocationData } from './agentese-events.ts'
import {
  BILLING_EVENTS,
  InvoiceData,
  PaymentFailedData,
  PaymentSucceededData,
  SubscriptionData,
  TrialEndingData,
} from './billing-events.ts'
import { SESSION_EVENTS, SessionEventData } from './session-events.ts'
import { THRESHOLD_REACHED, ThresholdReached } from './usage-events.ts'
import { TENANT_EVENTS } from './event.ts'

export interface EventType {
  summary: string
  data: z.ZodType
}

/** Events about a path; each path has them all. */
export const PATH_EVENTS = {
  'io.kgents.agentese.invoked': { summary: 'A path was invoked, and it went well', data: InvocationData },
  'io.kgents.agentese.failed': { summary: 'A path was invoked, and it failed', data: InvocationData },
  'io.kgents.agentese.refused': { summary: 'A path was invoked, and it refused', data: InvocationData },
} as const satisfies Record<string, EventType>

/** The event of a node whose state is recorded. */
export const STATE_EVENTS = {
  'io.kgents.agentese.changed': { summary: 'The state of a node has changed', data: ChangeData },
} as const satisfies Record<string, EventType>

/** Who has done it; an operator's event is in its own tenant, and names the other. */
const TenantLeft = z.strictObject({ by: z.enum(['tenant', 'operator']), tenant: z.uuid().optional() })
const TenantProvisioned = z.strictObject({ slug: z.string(), name: z.string(), tier: z.string() })

/** Events of the system bus. */
export const SYSTEM_EVENTS = {
  'io.kgents.inference.requested': { summary: 'A path has queued work for a model', data: JobRequested },
  'io.kgents.inference.started': { summary: 'A worker has taken a job', data: JobStarted },
  'io.kgents.inference.completed': { summary: 'The model has answered', data: Completion },
  'io.kgents.inference.failed': { summary: 'The model has not answered', data: InferenceFailure },
  'io.kgents.job.completed': { summary: 'A job has its result', data: JobCompleted },
  'io.kgents.job.failed': { summary: 'A job has ended without a result', data: JobFailed },
  'io.kgents.agent.step': { summary: 'A run of an agent has one step more', data: AgentStepped },
  'io.kgents.tenants.plan_changed': {
    summary: 'A tenant is on another plan, or another version of it',
    data: PlanChanged,
  },
  'io.kgents.crystals.made': {
    summary: 'What a person did in a session or on a day is a crystal',
    data: z.strictObject({ crystal: z.uuid(), user: z.uuid() }),
  },
  'io.kgents.job.cancelled': { summary: 'A job was cancelled', data: JobCancelled },
  [BILLING_EVENTS.subscriptionStarted]: { summary: 'A tenant has a new plan', data: SubscriptionData },
  [BILLING_EVENTS.subscriptionUpdated]: {
    summary: 'The subscription of a tenant has changed',
    data: SubscriptionData,
  },
  [BILLING_EVENTS.subscriptionEnded]: {
    summary: 'The subscription of a tenant has ended',
    data: SubscriptionData,
  },
  [BILLING_EVENTS.trialEnding]: { summary: 'A trial ends within 3 days', data: TrialEndingData },
  [BILLING_EVENTS.invoiceFinalized]: { summary: 'An invoice was issued', data: InvoiceData },
  [BILLING_EVENTS.paymentSucceeded]: { summary: 'An invoice was paid', data: PaymentSucceededData },
  [BILLING_EVENTS.paymentFailed]: {
    summary: 'An invoice was not paid; and each step that is taken about it',
    data: PaymentFailedData,
  },
  [SESSION_EVENTS.created]: { summary: 'A conversation has begun', data: SessionEventData },
  [SESSION_EVENTS.message]: { summary: 'A message has joined a conversation', data: SessionEventData },
  [SESSION_EVENTS.changed]: { summary: 'A conversation has other settings', data: SessionEventData },
  [SESSION_EVENTS.idle]: {
    summary: 'Nobody has spoken in a conversation for half an hour',
    data: SessionEventData,
  },
  [SESSION_EVENTS.ended]: { summary: 'A conversation is over', data: SessionEventData },
  [SESSION_EVENTS.reset]: { summary: 'A conversation begins afresh', data: SessionEventData },
  [SESSION_EVENTS.forked]: {
    summary: 'A conversation has begun with a part of another',
    data: SessionEventData,
  },
  [THRESHOLD_REACHED]: {
    summary: 'A limit of the plan is used to 50, 80 or 100 percent',
    data: ThresholdReached,
  },
  [TENANT_EVENTS.provisioned]: { summary: 'A new tenant has all that it is given', data: TenantProvisioned },
  [TENANT_EVENTS.deleted]: { summary: 'A tenant is deleted, and erased 30 days after', data: TenantLeft },
  [TENANT_EVENTS.restored]: { summary: 'The deletion of a tenant was undone', data: TenantLeft },
  [TENANT_EVENTS.exported]: {
    summary: 'An export is ready to be downloaded',
    data: z.strictObject({ export: z.uuid() }),
  },
} as const satisfies Record<string, EventType>
