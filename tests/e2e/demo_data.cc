// demo_data: writes the report mail of the demo, and truth.json with the totals it must give.
//
//   demo_data --out DIR [--seed N] [--days N] [--last YYYY-MM-DD]
//
// DIR/maildir/new/ holds one mail a report; DIR/truth.json the expected figures by domain: reports,
// records, messages, and messages by source id, by address, by day and by disposition. Three
// domains under `.example`, addresses of the documentation ranges (RFC 5737, RFC 3849) only. The
// same arguments give the same reports.

#include <sys/stat.h>
#include <zip.h>
#include <zlib.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/time.h"

namespace dmarcate {
namespace {

// A reporter and the shape of its mail.
struct Reporter {
  std::string_view org, email, host;
  enum class Container { kZipAsBody, kGzipAttached, kXmlAttached } container;
  int weight;  // share of the mail that it sees, in percent
};
constexpr Reporter kReporters[] = {
    {"google.com", "noreply-dmarc-support@google.com", "google.com",
     Reporter::Container::kZipAsBody, 40},
    {"Yahoo", "dmarchelp@yahooinc.com", "yahoo.com", Reporter::Container::kGzipAttached, 20},
    {"Enterprise Outlook", "dmarcreport@microsoft.com", "enterprise.protection.outlook.com",
     Reporter::Container::kGzipAttached, 25},
    {"Fastmail Pty Ltd", "reports@fastmaildmarc.com", "fastmail.com",
     Reporter::Container::kGzipAttached, 8},
    {"smallhost.example", "dmarc@smallhost.example", "smallhost.example",
     Reporter::Container::kXmlAttached, 7},
};

// A sender as it shows in reports.
struct Sender {
  std::string_view source;  // the id under which it must appear; empty: one source for each address
  std::vector<std::string_view> addresses;
  int daily = 0;  // messages a day on average, before the weekly rhythm
  std::string_view dkim_domain, dkim_selector;  // empty domain: the domain itself; "-": unsigned
  std::string_view envelope;                    // empty: the domain itself
  bool dkim_pass = true, spf_pass = true;
};

struct Domain {
  std::string_view name;
  std::string_view policy;
  std::vector<Sender> senders;
};

const std::vector<Domain>& Domains() {
  static const std::vector<Domain> domains = {
      {"harbor.example",
       "none",
       {{"own-harbor.example", {"192.0.2.10", "192.0.2.11"}, 220, "", "mail2026", "", true, true},
        {"sendgrid",
         {"198.51.100.20", "198.51.100.21", "2001:db8:20::7"},
         90,
         "sendgrid.net",
         "s1",
         "em4711.sendgrid.net",
         true,
         true},
        {"mailchimp",
         {"198.51.100.40", "198.51.100.41"},
         60,
         "mcsv.net",
         "k1",
         "mcsv.net",
         true,
         true},
        // The forgotten CRM: sends with our envelope domain, which our SPF record does not allow
        // it.
        {"salesforce",
         {"198.51.100.60", "198.51.100.61"},
         35,
         "salesforce.com",
         "sfmc",
         "",
         true,
         false},
        {"",
         {"203.0.113.5", "203.0.113.77", "203.0.113.201"},
         14,
         "-",
         "",
         "bulk.invalid.example",
         false,
         false}}},
      {"juniper.example",
       "quarantine",
       {{"own-juniper.example", {"192.0.2.60"}, 150, "", "s2026", "", true, true},
        {"mailgun", {"198.51.100.90"}, 45, "mailgun.org", "krs", "mailgun.org", true, true},
        {"", {"203.0.113.9"}, 6, "-", "", "spoof.invalid.example", false, false}}},
      {"quartz.example",
       "reject",
       {{"own-quartz.example", {"192.0.2.130", "2001:db8:130::25"}, 40, "", "q1", "", true, true},
        {"zendesk", {"198.51.100.140"}, 12, "zendesk.com", "zendesk1", "zendesk.com", true, true}}},
  };
  return domains;
}

struct Truth {
  int64_t reports = 0, records = 0, messages = 0;
  std::map<std::string, int64_t> by_source, by_address, by_day, by_disposition;
};

std::string Gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zip(const std::string& name, const std::string& text) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(target);
  zip_t* archive = zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, &error);
  zip_source_t* member = zip_source_buffer(archive, text.data(), text.size(), 0);
  const zip_int64_t index = zip_file_add(archive, name.c_str(), member, ZIP_FL_ENC_UTF_8);
  zip_file_set_mtime(archive, static_cast<zip_uint64_t>(index), 0, 0);
  zip_close(archive);
  zip_source_open(target);
  zip_source_seek(target, 0, SEEK_END);
  std::string out(static_cast<size_t>(zip_source_tell(target)), '\0');
  zip_source_seek(target, 0, SEEK_SET);
  zip_source_read(target, out.data(), out.size());
  zip_source_close(target);
  zip_source_free(target);
  zip_error_fini(&error);
  return out;
}

std::string WrapBase64(const std::string& bytes) {
  const std::string text = Base64Encode(bytes);
  std::string out;
  for (size_t at = 0; at < text.size(); at += 76) out += text.substr(at, 76) + "\r\n";
  return out;
}

std::string Mail(const Reporter& reporter, std::string_view domain, const std::string& id,
                 const std::string& file, absl::Time date, const std::string& xml) {
  const std::string head = fmt::format(
      "From: {}\r\nTo: reports@reports.example\r\nSubject: Report Domain: {} Submitter: {} "
      "Report-ID: <{}>\r\nDate: {}\r\nMessage-ID: <{}@{}>\r\nMIME-Version: 1.0\r\n",
      reporter.email, domain, reporter.host, id,
      absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", date, absl::UTCTimeZone()), id,
      reporter.host);
  if (reporter.container == Reporter::Container::kZipAsBody) {
    return head +
           fmt::format(
               "Content-Type: application/zip; name=\"{0}.zip\"\r\n"
               "Content-Disposition: attachment; filename=\"{0}.zip\"\r\n"
               "Content-Transfer-Encoding: base64\r\n\r\n",
               file) +
           WrapBase64(Zip(file + ".xml", xml));
  }
  const bool gzip = reporter.container == Reporter::Container::kGzipAttached;
  return head +
         fmt::format(
             "Content-Type: multipart/mixed; boundary=\"b{0}\"\r\n\r\n--b{0}\r\n"
             "Content-Type: text/plain; charset=utf-8\r\n\r\nThis is a DMARC aggregate "
             "report for {1}.\r\n\r\n--b{0}\r\nContent-Type: {2}; name=\"{3}{4}\"\r\n"
             "Content-Disposition: attachment; filename=\"{3}{4}\"\r\n"
             "Content-Transfer-Encoding: base64\r\n\r\n",
             id, domain, gzip ? "application/gzip" : "text/xml", file, gzip ? ".xml.gz" : ".xml") +
         WrapBase64(gzip ? Gzip(xml) : xml) + fmt::format("--b{}--\r\n", id);
}

// What a receiver does with a message that does not pass.
std::string_view DispositionOf(std::string_view policy, bool pass) {
  return pass ? "none" : policy;
}

std::string Record(const Domain& domain, const Sender& sender, std::string_view address,
                   int64_t count, std::string_view* disposition) {
  const std::string_view dkim_domain =
      sender.dkim_domain.empty() ? domain.name : sender.dkim_domain;
  const std::string_view envelope = sender.envelope.empty() ? domain.name : sender.envelope;
  const bool dkim_aligned = sender.dkim_pass && dkim_domain == domain.name;
  const bool spf_aligned = sender.spf_pass && envelope == domain.name;
  *disposition = DispositionOf(domain.policy, dkim_aligned || spf_aligned);
  std::string dkim;
  if (dkim_domain != "-") {
    dkim = fmt::format(
        "      <dkim><domain>{}</domain><selector>{}</selector><result>{}</result></dkim>\n",
        dkim_domain, sender.dkim_selector, sender.dkim_pass ? "pass" : "fail");
  }
  return fmt::format(
      "  <record>\n    <row>\n      <source_ip>{}</source_ip>\n      <count>{}</count>\n"
      "      <policy_evaluated><disposition>{}</disposition><dkim>{}</dkim><spf>{}</spf>"
      "</policy_evaluated>\n    </row>\n    <identifiers><header_from>{}</header_from>"
      "<envelope_from>{}</envelope_from></identifiers>\n    <auth_results>\n{}"
      "      <spf><domain>{}</domain><scope>mfrom</scope><result>{}</result></spf>\n"
      "    </auth_results>\n  </record>\n",
      address, count, *disposition, dkim_aligned ? "pass" : "fail", spf_aligned ? "pass" : "fail",
      domain.name, envelope, dkim, envelope, sender.spf_pass ? "pass" : "fail");
}

std::string SourceIdOf(const Sender& sender, std::string_view address) {
  if (!sender.source.empty()) return std::string(sender.source);
  std::string id = "ip-" + std::string(address);
  for (char& c : id) {
    if (c == '.' || c == ':') c = '-';
  }
  return id;
}

class Generator {
 public:
  Generator(std::string out, uint64_t seed) : out_(std::move(out)), engine_(seed) {}

  absl::Status Run(DayNumber last, int days) {
    for (const char* part : {"", "/maildir", "/maildir/new", "/maildir/cur", "/maildir/tmp"}) {
      mkdir((out_ + part).c_str(), 0755);
    }
    for (const Domain& domain : Domains()) {
      for (DayNumber day = last - days + 1; day <= last; ++day) {
        for (const Reporter& reporter : kReporters) {
          DMARCATE_RETURN_IF_ERROR(WriteReport(domain, day, reporter));
        }
      }
    }
    return WriteTruth(last, days);
  }

 private:
  // Around `mean`, by a simple spread; the standard distributions differ between libraries.
  int64_t Around(int64_t mean) {
    if (mean <= 0) return 0;
    return mean / 2 + static_cast<int64_t>(engine_() % static_cast<uint64_t>(mean + 1));
  }

  absl::Status WriteReport(const Domain& domain, DayNumber day, const Reporter& reporter) {
    const int64_t begin = int64_t{day} * 86400;
    const bool weekend = (day + 4) % 7 == 0 || (day + 4) % 7 == 6;  // 1970-01-01 was a Thursday
    Truth& truth = truth_[std::string(domain.name)];
    std::string records;
    int64_t record_count = 0;
    for (const Sender& sender : domain.senders) {
      const int64_t mail =
          Around(int64_t{sender.daily} * reporter.weight / 100 / (weekend ? 3 : 1));
      const auto addresses = static_cast<int64_t>(sender.addresses.size());
      for (int64_t i = 0; i < addresses; ++i) {
        const int64_t count = mail / addresses + (i < mail % addresses ? 1 : 0);
        if (count == 0) continue;
        const std::string_view address = sender.addresses[static_cast<size_t>(i)];
        std::string_view disposition;
        records += Record(domain, sender, address, count, &disposition);
        ++record_count;
        truth.messages += count;
        truth.by_source[SourceIdOf(sender, address)] += count;
        truth.by_address[std::string(address)] += count;
        truth.by_day[FormatDay(day)] += count;
        truth.by_disposition[std::string(disposition)] += count;
      }
    }
    if (record_count == 0) return absl::OkStatus();
    ++truth.reports;
    truth.records += record_count;
    const std::string id =
        fmt::format("{}.{}.{:08x}", domain.name, day, static_cast<uint32_t>(engine_()));
    const std::string xml = fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<feedback>\n  <version>1.0</version>\n"
        "  <report_metadata>\n    <org_name>{}</org_name>\n    <email>{}</email>\n"
        "    <report_id>{}</report_id>\n    "
        "<date_range><begin>{}</begin><end>{}</end></date_range>\n"
        "  </report_metadata>\n  <policy_published>\n    <domain>{}</domain>\n    "
        "<adkim>r</adkim>\n"
        "    <aspf>r</aspf>\n    <p>{}</p>\n    <sp>{}</sp>\n    <pct>100</pct>\n"
        "  </policy_published>\n{}</feedback>\n",
        reporter.org, reporter.email, id, begin, begin + 86399, domain.name, domain.policy,
        domain.policy, records);
    const std::string file =
        fmt::format("{}!{}!{}!{}", reporter.host, domain.name, begin, begin + 86399);
    const std::string mail =
        Mail(reporter, domain.name, id, file, absl::FromUnixSeconds(begin + 90000), xml);
    const std::string path = fmt::format("{}/maildir/new/{:06}.demo", out_, ++written_);
    std::FILE* f = std::fopen(path.c_str(), "wb");
    if (f == nullptr || std::fwrite(mail.data(), 1, mail.size(), f) != mail.size()) {
      if (f != nullptr) std::fclose(f);
      return MakeError(absl::StatusCode::kUnavailable, "cannot write " + path);
    }
    std::fclose(f);
    return absl::OkStatus();
  }

  absl::Status WriteTruth(DayNumber last, int days) const {
    nlohmann::ordered_json out;
    out["first_day"] = FormatDay(last - days + 1);
    out["last_day"] = FormatDay(last);
    out["mails"] = written_;
    for (const auto& [name, truth] : truth_) {
      out["domains"][name] = {{"reports", truth.reports},
                              {"records", truth.records},
                              {"messages", truth.messages},
                              {"by_source", truth.by_source},
                              {"by_address", truth.by_address},
                              {"by_day", truth.by_day},
                              {"by_disposition", truth.by_disposition}};
    }
    const std::string text = out.dump(2) + "\n";
    const std::string path = out_ + "/truth.json";
    std::FILE* f = std::fopen(path.c_str(), "wb");
    if (f == nullptr) return MakeError(absl::StatusCode::kUnavailable, "cannot write " + path);
    std::fwrite(text.data(), 1, text.size(), f);
    std::fclose(f);
    return absl::OkStatus();
  }

  const std::string out_;
  std::mt19937_64 engine_;
  std::map<std::string, Truth> truth_;
  int64_t written_ = 0;
};

}  // namespace
}  // namespace dmarcate

int main(int argc, char** argv) {
  std::string out;
  uint64_t seed = 1;
  int days = 90;
  dmarcate::DayNumber last = dmarcate::DayOf(absl::Now()) - 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--out") out = argv[i + 1];
    if (flag == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--days") days = static_cast<int>(std::strtol(argv[i + 1], nullptr, 10));
    if (flag == "--last") {
      const auto day = dmarcate::ParseDay(argv[i + 1]);
      if (!day.ok()) {
        fmt::print(stderr, "demo_data: {}\n", dmarcate::MessageOf(day.status()));
        return 2;
      }
      last = *day;
    }
  }
  if (out.empty() || days < 1) {
    fmt::print(stderr, "usage: demo_data --out DIR [--seed N] [--days N] [--last YYYY-MM-DD]\n");
    return 2;
  }
  const absl::Status status = dmarcate::Generator(out, seed).Run(last, days);
  if (!status.ok()) {
    fmt::print(stderr, "demo_data: {}\n", dmarcate::MessageOf(status));
    return 1;
  }
  return 0;
}
