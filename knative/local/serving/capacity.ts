/**
 * Room for pods on this machine. On a cluster a pod that fits nowhere stays pending; here a burst must not start
 * more processes than the machine can run.
 */
export interface Capacity {
  /** Takes room for one pod. The first pod of a function always fits, so that none shuts another out. */
  take(isFirst: boolean): boolean
  giveBack(): void
}

/** Room for `pods` pods in all. */
export function createCapacity(pods: number): Capacity {
  let taken = 0
  return {
    take(isFirst) {
      if (taken >= pods && !isFirst) return false
      taken += 1
      return true
    },
    giveBack() {
      taken -= 1
    },
  }
}
