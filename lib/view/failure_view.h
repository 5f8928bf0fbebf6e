// lib/view/failure_view.h
// A failure report as the message of the API.

#ifndef DMARCATE_LIB_VIEW_FAILURE_VIEW_H_
#define DMARCATE_LIB_VIEW_FAILURE_VIEW_H_

#include "dmarcate/v1/report.pb.h"
#include "lib/report/model.h"

namespace dmarcate {

// What the report says; no name, no receipt, no findings.
void ToMessage(const FailureReport& report, v1::FailureReport* out);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_VIEW_FAILURE_VIEW_H_
