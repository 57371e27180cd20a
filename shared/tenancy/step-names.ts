/**
 * The steps that are left when a tenant has been made, in their order; `provisioning.ts` says what each does. The first two of
 * provisioning, `tenant` and `admin`, are done by whatever makes it.
 */
export const STEP_NAMES = ['entropy', 'allowance', 'event'] as const

export type StepName = (typeof STEP_NAMES)[number]
