// Tells ThreadSanitizer of what it cannot see: Swift's Mutex hands a contended lock over inside the standard library and
// the kernel, where nothing is instrumented, so that everything a contended Mutex protects looks like a race. Preloaded
// into instrumented programs, this goes before the library's two slow ways and says what they order.
#include <dlfcn.h>
#include <stdint.h>

// Swift's calling convention: the lock comes in the context register.
#define SWIFT __attribute__((swiftcall))
#define LOCK __attribute__((swift_context)) void *lock

extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));

SWIFT void lock_slow(uint32_t thread, LOCK) __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
SWIFT void unlock_slow(LOCK) __asm__("$s15Synchronization12_MutexHandleV11_unlockSlowyyF");

SWIFT void lock_slow(uint32_t thread, LOCK) {
  SWIFT void (*next)(uint32_t, LOCK) = dlsym(RTLD_NEXT, "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
  next(thread, lock);
  if (__tsan_acquire) __tsan_acquire(lock);
}

SWIFT void unlock_slow(LOCK) {
  SWIFT void (*next)(LOCK) = dlsym(RTLD_NEXT, "$s15Synchronization12_MutexHandleV11_unlockSlowyyF");
  if (__tsan_release) __tsan_release(lock);
  next(lock);
}
