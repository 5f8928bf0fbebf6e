// lib/rpc/signals.h
// A daemon's life between start and SIGTERM, and what systemd hears about it.

#ifndef DMARCATE_LIB_RPC_SIGNALS_H_
#define DMARCATE_LIB_RPC_SIGNALS_H_

namespace dmarcate {

// Blocks SIGTERM and SIGINT and ignores SIGPIPE. The first thing in main(): threads inherit it.
void BlockSignals();
// Tells systemd that the daemon is ready (READY=1; nothing happens without systemd), waits for
// SIGTERM or SIGINT, tells it STOPPING=1, returns the signal.
int WaitForSignal();

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_SIGNALS_H_
