#include "cli/catalogue_text.h"

#include <vector>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Words = google::protobuf::RepeatedPtrField<std::string>;

std::string Joined(const Words& words) { return Join({words.begin(), words.end()}, " "); }

std::string KindText(const v1::MailService& service) {
  return EnumText(v1::MailService::Kind_Name(service.kind()), "KIND_");
}
std::string OriginText(const v1::MailService& service) {
  return EnumText(v1::MailService::Origin_Name(service.origin()), "ORIGIN_");
}
std::string SpfText(const v1::MailService& service) {
  return service.spf_alignment() == v1::MailService::SPF_ALIGNMENT_UNSPECIFIED
             ? "not known"
             : EnumText(v1::MailService::SpfAlignment_Name(service.spf_alignment()),
                        "SPF_ALIGNMENT_");
}

}  // namespace

Table MailServiceTable(const google::protobuf::RepeatedPtrField<v1::MailService>& services) {
  Table table({{"SERVICE"},
               {"NAME"},
               {"KIND"},
               {"ORIGIN"},
               {"SPF"},
               {"SPF_INCLUDES", Align::kLeft, true},
               {"DKIM_DOMAINS", Align::kLeft, true},
               {"IGNORED", Align::kLeft, true}});
  for (const v1::MailService& service : services) {
    table.Add(service.name(),
              {std::string(LastSegment(service.name())), service.display_name(), KindText(service),
               OriginText(service), SpfText(service), Joined(service.spf_includes()),
               Joined(service.dkim_domains()), service.ignored_reason()});
  }
  return table;
}

std::string MailServiceText(const v1::MailService& service) {
  std::string out =
      fmt::format("{} ({}), {}, {}\n", EscapeForTerminal(service.display_name()),
                  LastSegment(service.name()), KindText(service), OriginText(service));
  const auto line = [&out](std::string_view title, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {:<17} {}\n", title, EscapeForTerminal(text));
  };
  line("does not count", service.ignored_reason());
  line("SPF aligns", SpfText(service));
  line("SPF includes", Joined(service.spf_includes()));
  line("signs with", Joined(service.dkim_domains()));
  line("envelopes", Joined(service.envelope_domains()));
  line("selectors", Joined(service.selectors()));
  line("reverse names", Joined(service.reverse_names()));
  line("MX names", Joined(service.mx_names()));
  line("ranges", Joined(service.ranges()));
  line("shares", Joined(service.shares()));
  line("what to publish", service.setup());
  line("instructions", service.url());
  if (service.has_update_time()) {
    line("changed", fmt::format("{} by {}", Text(service.update_time()), service.updated_by()));
  }
  return out;
}

}  // namespace dmarcate::cli
