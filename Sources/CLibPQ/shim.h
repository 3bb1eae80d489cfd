#include <libpq-fe.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

/// A descriptor that becomes readable once it has been written to; wakes a thread out of poll(2).
static inline int herald_wakeup_descriptor(void) {
  return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/// Names the calling thread (15 bytes at most); prctl is variadic, which Swift cannot call.
static inline void herald_name_thread(const char *name) {
  prctl(PR_SET_NAME, name, 0, 0, 0);
}
