// lib/base/thread.h
// Threads as the operating system shows and serves them.

#ifndef DMARCATE_LIB_BASE_THREAD_H_
#define DMARCATE_LIB_BASE_THREAD_H_

namespace dmarcate {

// Names the calling thread, for `top -H` and debuggers: at most 15 characters.
void NameThread(const char* name);

// For a thread that works off what nobody waits for: where the processors do not suffice for all,
// the others of the process go first. It has the nice value 10 or more then, about a tenth of the
// share of one that did not give way (sched(7)), so nothing waits for ever; but it should not hold
// for long what others wait for. A system that refuses it is no error: all is as fast as without.
void GiveWay();

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_THREAD_H_
