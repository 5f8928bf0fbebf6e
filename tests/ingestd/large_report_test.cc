// The largest report that is taken in, as ingestd reads it: packed while it comes.

#include <memory>
#include <string>
#include <string_view>

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "lib/store/record_packer.h"
#include "tests/ingestd/daemon.h"
#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/cost.h"
#include "tests/lib/unpack/samples.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::Import;
using ingest_testing::MakeReportXml;
using ingest_testing::Submit;

// safety.md, section 3 A: what is read at the limits.
constexpr int64_t kMaxGrowthKib = 64 << 10;
constexpr double kMaxCpuSeconds = 1.0;

std::shared_ptr<RecordSink> MakeSink(std::string_view domain) {
  return std::make_shared<PackingSink>(domain);
}

void ExpectCheap(const std::string& input, std::string_view want) {
  const Measured got =
      UnpackWithin(input, Files::kForbidden, /*handed_in=*/false, kMaxCpuSeconds, MakeSink);
  ASSERT_EQ(got.lines.size(), 1u);
  EXPECT_TRUE(got.lines[0].find(want) != std::string::npos) << got.lines[0];
  fmt::print("{}: {} KiB, {:.3f} s\n", want, got.growth_kib, got.cpu_seconds);
  if (DMARCATE_SANITIZED != 0) return;
  EXPECT_LT(got.growth_kib, kMaxGrowthKib);
  EXPECT_LT(got.cpu_seconds, kMaxCpuSeconds);
}

TEST(LargestReportTest, IsReadWithinTheBounds) {
  ExpectCheap(GzipOf(MakeLargestReport().xml), "aggregate accepted [gzip/xml] r-1");
}

// Records that share nothing, so that packing helps little.
TEST(LargestReportTest, OneThatDoesNotPackIsRefusedWithinTheBounds) {
  const std::string xml = SampleXml();
  std::string records = xml.substr(0, xml.find("  <record>"));
  for (int i = 0; records.size() < (95u << 20); ++i) {
    records += fmt::format(
        "<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row><identifiers>"
        "<header_from>n{}.example.com</header_from><envelope_to>{:0>200}.example</envelope_to>"
        "</identifiers></record>\n",
        i, i * 7919);
  }
  ExpectCheap(GzipOf(records + "</feedback>\n"), "over_limit model_too_large");
}

TEST(LargestReportTest, TheDaemonStoresIt) {
  const LargestReport largest = MakeLargestReport();
  const std::string mail =
      LeafMail("Content-Type: application/gzip\nContent-Transfer-Encoding: base64",
               Base64Lines(GzipOf(largest.xml)));
  Daemon daemon;
  const absl::Status started = daemon.Start();
  ASSERT_TRUE(started.ok()) << started;
  v1::SubmitReportResponse response;
  ASSERT_TRUE(Submit(daemon.channel(), MakeReportXml("first.test", "1", {1}), &response).ok());
  daemon.ForgetPeak();
  const int64_t idle_kib = daemon.PeakKib();
  int answered = 0;
  EXPECT_TRUE(Import(daemon.channel(), {{"largest.eml", mail}}, [&](const v1::ItemResult& result) {
                ++answered;
                ASSERT_EQ(result.items_size(), 1);
                EXPECT_EQ(result.items(0).outcome(), v1::ITEM_OUTCOME_STORED)
                    << result.items(0).reason() << result.items(0).detail();
                EXPECT_EQ(result.items(0).record_count(), largest.records);
                EXPECT_EQ(result.items(0).message_count(), largest.messages);
              }).ok());
  EXPECT_EQ(answered, 1);
  fmt::print("idle {} MiB, peak {} MiB\n", idle_kib / 1024, daemon.PeakKib() / 1024);
  if (DMARCATE_SANITIZED == 0) {
    EXPECT_LE(daemon.PeakKib() - idle_kib, kMaxGrowthKib);
  }
  EXPECT_EQ(daemon.Stop(), 0) << daemon.log();
}

}  // namespace
}  // namespace dmarcate
