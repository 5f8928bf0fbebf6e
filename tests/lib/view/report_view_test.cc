// Whatever a report says can be shown.
#include "lib/view/report_view.h"

#include <limits>
#include <string>

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "dmarcate/v1/report.pb.h"
#include "lib/view/tls_view.h"

namespace dmarcate {
namespace {

constexpr int64_t kYearZero = -62167219200;
constexpr int64_t kTimes[] = {kYearZero, 0, 253402300800, std::numeric_limits<int64_t>::min(),
                              std::numeric_limits<int64_t>::max()};

template <typename Message, typename Report>
void ExpectJson(const Report& report) {
  Message message;
  ToMessage(report, &message);
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_NE(json.find("startTime"), std::string::npos) << json;
}

TEST(ReportView, AnyPeriodHasAJsonForm) {
  for (const int64_t begin : kTimes) {
    for (const int64_t end : kTimes) {
      AggregateReport aggregate;
      aggregate.metadata.begin = begin;
      aggregate.metadata.end = end;
      ExpectJson<v1::AggregateReport>(aggregate);
      TlsReport tls;
      tls.begin = begin;
      tls.end = end;
      ExpectJson<v1::TlsReport>(tls);
    }
  }
}

}  // namespace
}  // namespace dmarcate
