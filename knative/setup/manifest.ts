/** The Job that prepares the database, and the network policy that lets it. */
import { variablesOf } from '../../shared/contract/variables.ts'
import { policy } from '../network/policies.ts'
import { PLACES } from '../network/places.ts'
import type { Job, NetworkPolicy } from '../part-objects.ts'
import {
  DEFAULT_TARGET,
  PART_LABEL,
  PART_OF,
  SECURITY_CONTEXT,
  secretVariable,
  SETUP_NAME,
} from '../target.ts'
import { SetupConfig } from './prepare.ts'

const NAME = 'setup'

/** A Job is never changed, only replaced: it is applied by itself, not with all else. */
export function setupJobOf({ namespace, images } = DEFAULT_TARGET): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: NAME, namespace, labels: PART_OF },
    spec: {
      backoffLimit: 6,
      activeDeadlineSeconds: 3600,
      template: {
        metadata: { labels: { ...PART_OF, [PART_LABEL]: NAME } },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          restartPolicy: 'OnFailure',
          containers: [
            {
              name: NAME,
              image: images.parts,
              command: ['node', 'knative/setup/job.ts'],
              env: variablesOf(SetupConfig).map(({ name }) => secretVariable(name, { secret: SETUP_NAME })),
              resources: {
                requests: { cpu: '100m', memory: '128Mi' },
                limits: { cpu: '1', memory: '512Mi' },
              },
              securityContext: SECURITY_CONTEXT,
              volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
            },
          ],
          volumes: [{ name: 'tmp', emptyDir: {} }],
        },
      },
    },
  }
}

export function setupPolicyOf(target = DEFAULT_TARGET): NetworkPolicy {
  const { peers, ports } = PLACES.postgres
  return policy(
    NAME,
    {
      podSelector: { matchLabels: { [PART_LABEL]: NAME } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [],
      egress: [{ to: peers, ports }],
    },
    target,
  )
}
