/** What is decided when deploying, and what all manifests have in common. */
import type { EnvironmentVariable, SecurityContext } from './objects.ts'

export interface Target {
  namespace: string
  /** One image holds all functions, one all parts that need no engine, and one the workers. */
  images: { functions: string; parts: string; worker: string }
  /** Whether a new revision may begin without a pod: only where the cluster has `allow-zero-initial-scale`. */
  startsAtZero?: boolean
}

/** What the committed manifests say. */
export const DEFAULT_TARGET: Target = {
  namespace: 'kgents',
  images: {
    functions: 'ghcr.io/kgents/functions:0.1.0',
    parts: 'ghcr.io/kgents/parts:0.1.0',
    worker: 'ghcr.io/kgents/worker:0.1.0',
  },
}

export const PART_OF = { 'app.kubernetes.io/part-of': 'kgents' }
/** On the pods of functions, with the name of the function. */
export const FUNCTION_LABEL = 'kgents.io/function'
/** On the pods of parts that always run, with the name of the part. */
export const PART_LABEL = 'kgents.io/part'

/** Settings that all share, and no secret among them. */
export const SETTINGS_NAME = 'kgents-config'
export const SHARED_SETTINGS = [{ configMapRef: { name: SETTINGS_NAME } }]
export const SECRETS_NAME = 'kgents-secrets'
/** Secrets of the owner of the database, which nothing that runs for long is given. */
export const SETUP_NAME = 'kgents-setup'

/** A pod that has no rights, whose files cannot be changed, and whose user and group are not root. */
export const SECURITY_CONTEXT: SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  runAsUser: 10_001,
  runAsGroup: 10_001,
  seccompProfile: { type: 'RuntimeDefault' },
}

/** A variable that is read from a Secret, under its own name unless `key` is another. */
export function secretVariable(
  name: string,
  { key = name, isOptional = false, secret = SECRETS_NAME } = {},
): EnvironmentVariable {
  const secretKeyRef = { name: secret, key, ...(isOptional ? { optional: true as const } : {}) }
  return { name, valueFrom: { secretKeyRef } }
}

/** A tag may be another image tomorrow, and Knative resolves it once for each revision. */
export const BY_DIGEST = /^[^\s@]+@sha256:[0-9a-f]{64}$/
