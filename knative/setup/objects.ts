/** The two kinds of objects that settings are. */
import type { ConfigMap, Secret } from '../objects.ts'
import { DEFAULT_TARGET, PART_OF } from '../target.ts'

export function secret(
  name: string,
  stringData: Record<string, string>,
  namespace = DEFAULT_TARGET.namespace,
  type: Secret['type'] = 'Opaque',
): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels: PART_OF },
    type,
    stringData,
  }
}

export function configMap(
  name: string,
  data: Record<string, string>,
  namespace = DEFAULT_TARGET.namespace,
): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels: PART_OF }, data }
}
