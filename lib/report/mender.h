// lib/report/mender.h
// Makes a damaged piece of a report well-formed: markup characters inside a text are escaped, ends
// that are missing are added, ends that close nothing are dropped (report-quirks X11, X14, X15).

#ifndef DMARCATE_LIB_REPORT_MENDER_H_
#define DMARCATE_LIB_REPORT_MENDER_H_

#include <string>
#include <string_view>

#include "lib/report/repair_log.h"

namespace dmarcate {

// `piece` is one record, or the frame without the root's tags. What comes back parses, always: a
// tree of known elements at most 32 deep, the rest as text. Notes "unescaped_text" (material in a
// domain, address, counter, date or result) and "tags_unbalanced" (material) in `log`. Linear in
// the length.
std::string MendPiece(std::string_view piece, RepairLog& log);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_MENDER_H_
