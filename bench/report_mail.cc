#include "bench/report_mail.h"

#include <libdeflate.h>

#include <cstdlib>
#include <random>

#include "fmt/format.h"

#include "bench/mail_load.h"
#include "lib/base/digest.h"
#include "lib/base/time.h"
#include "tests/testing/dkim_signer.h"

namespace dmarcate::bench {
namespace {

using testing_support::DkimSign;
using testing_support::DkimSigning;
using testing_support::DkimTestKey;

// As many as make a mail of that size.
constexpr int kRecords = 55;
constexpr size_t kBase64LineBytes = 76;
constexpr int kGzipLevel = 6;

std::string Gzip(const std::string& text) {
  libdeflate_compressor* const compressor = libdeflate_alloc_compressor(kGzipLevel);
  if (compressor == nullptr) std::abort();
  std::string out(libdeflate_gzip_compress_bound(compressor, text.size()), '\0');
  out.resize(
      libdeflate_gzip_compress(compressor, text.data(), text.size(), out.data(), out.size()));
  libdeflate_free_compressor(compressor);
  return out;
}

std::string Base64Lines(const std::string& data) {
  const std::string text = Base64Encode(data);
  std::string out;
  for (size_t at = 0; at < text.size(); at += kBase64LineBytes) {
    out += text.substr(at, kBase64LineBytes) + "\r\n";
  }
  return out;
}

std::string MakeXml(uint64_t id, int64_t begin) {
  std::mt19937_64 random(id);
  const std::string domain = ReportedDomain(id);
  std::string xml = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<feedback>\n  <report_metadata>\n    "
      "<org_name>Reporter {0}</org_name>\n    <email>{1}</email>\n    <report_id>{0}</report_id>\n"
      "    <date_range>\n      <begin>{2}</begin>\n      <end>{3}</end>\n    </date_range>\n  "
      "</report_metadata>\n  <policy_published>\n    <domain>{4}</domain>\n    <adkim>r</adkim>\n  "
      "  <aspf>r</aspf>\n    <p>none</p>\n    <sp>none</sp>\n    <pct>100</pct>\n  "
      "</policy_published>\n",
      id, kSenderAddress, begin, begin + 86'399, domain);
  for (int i = 0; i < kRecords; ++i) {
    const bool aligned = random() % 4 != 0;
    xml += fmt::format(
        "  <record>\n    <row>\n      <source_ip>{0}.{1}.{2}.{3}</source_ip>\n      "
        "<count>{4}</count>\n      <policy_evaluated>\n        <disposition>none</disposition>\n   "
        "     <dkim>{5}</dkim>\n        <spf>{6}</spf>\n      </policy_evaluated>\n    </row>\n    "
        "<identifiers>\n      <header_from>{7}</header_from>\n    </identifiers>\n    "
        "<auth_results>\n      <dkim>\n        <domain>{7}</domain>\n        <selector>s{8:08x}"
        "</selector>\n        <result>{5}</result>\n      </dkim>\n      <spf>\n        "
        "<domain>b{9:016x}.{7}</domain>\n        <result>{6}</result>\n      </spf>\n    "
        "</auth_results>\n  </record>\n",
        random() % 220 + 1, random() % 256, random() % 256, random() % 256, random() % 2000 + 1,
        aligned ? "pass" : "fail", random() % 3 != 0 ? "pass" : "fail", domain,
        random() % (uint64_t{1} << 32), random());
  }
  return xml + "</feedback>\n";
}

const DkimTestKey& Key() {
  static const DkimTestKey key = DkimTestKey::Ed25519();
  return key;
}

}  // namespace

std::string ReportedDomain(uint64_t id) { return fmt::format("d{}.test", id % kReportedDomains); }

std::string MakeReportMail(uint64_t id, absl::Time now) {
  const int64_t begin = absl::ToUnixSeconds(StartOfDay(DayOf(now) - 1));
  const std::string domain = ReportedDomain(id);
  const std::string mail = fmt::format(
      "From: DMARC reports <{0}>\r\nTo: {1}\r\n"
      "Subject: Report Domain: {2} Submitter: reporter.test Report-ID: {3}\r\nDate: {4}\r\n"
      "Message-ID: <{3}@reporter.test>\r\nMIME-Version: 1.0\r\n"
      "Content-Type: application/gzip; name=\"reporter.test!{2}!{5}!{6}.xml.gz\"\r\n"
      "Content-Disposition: attachment; filename=\"reporter.test!{2}!{5}!{6}.xml.gz\"\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\n{7}",
      kSenderAddress, kRecipientAddress, domain, id,
      absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", now, absl::UTCTimeZone()), begin,
      begin + 86'399, Base64Lines(Gzip(MakeXml(id, begin))));
  DkimSigning signing;
  signing.domain = "reporter.test";
  return DkimSign(mail, Key(), signing);
}

std::string ReporterRecords() {
  return fmt::format(
      "reporter TXT \"v=spf1 ip4:127.0.0.1 -all\"\n"
      "_dmarc.reporter TXT \"v=DMARC1; p=reject\"\n"
      "s._domainkey.reporter TXT \"{}\"\n",
      Key().Record());
}

}  // namespace dmarcate::bench
