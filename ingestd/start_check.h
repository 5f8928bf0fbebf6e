// ingestd/start_check.h
// What ingestd needs at its start, for --check.

#ifndef DMARCATE_INGESTD_START_CHECK_H_
#define DMARCATE_INGESTD_START_CHECK_H_

#include "ingestd/config.h"
#include "lib/rpc/start_check.h"

namespace dmarcate {

StartCheck CheckIngestStart(const IngestConfig& config);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_START_CHECK_H_
