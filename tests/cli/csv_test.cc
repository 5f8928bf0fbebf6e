// Whatever strangers write into reports and records, no cell of any list is a formula to a
// spreadsheet, and each line has as many cells as the head.

#include <functional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"

#include "cli/alert_text.h"
#include "cli/catalogue_text.h"
#include "cli/insight_text.h"
#include "cli/reporter_text.h"
#include "cli/rollout_text.h"
#include "cli/source_text.h"
#include "cli/stats_text.h"

namespace dmarcate::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Sets every field, each text to `text`, each list to two of them.
void Fill(Message* message, const std::string& text, int depth = 0) {
  const auto* const reflection = message->GetReflection();
  const auto* const type = message->GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* const field = type->field(i);
    if (field->is_map()) continue;
    for (int n = 0; n < (field->is_repeated() ? 2 : 1); ++n) {
      const bool list = field->is_repeated();
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING:
          list ? reflection->AddString(message, field, text)
               : reflection->SetString(message, field, text);
          break;
        case FieldDescriptor::CPPTYPE_MESSAGE:
          if (depth < 4) {
            Fill(list ? reflection->AddMessage(message, field)
                      : reflection->MutableMessage(message, field),
                 text, depth + 1);
          }
          break;
        case FieldDescriptor::CPPTYPE_ENUM:
          if (list) {
            reflection->AddEnumValue(message, field, 1);
          } else {
            reflection->SetEnumValue(message, field, 1);
          }
          break;
        case FieldDescriptor::CPPTYPE_INT64:
          if (!list) reflection->SetInt64(message, field, 7);
          break;
        case FieldDescriptor::CPPTYPE_INT32:
          list ? reflection->AddInt32(message, field, 7) : reflection->SetInt32(message, field, 7);
          break;
        case FieldDescriptor::CPPTYPE_DOUBLE:
          if (!list) reflection->SetDouble(message, field, 0.5);
          break;
        case FieldDescriptor::CPPTYPE_BOOL:
          if (!list) reflection->SetBool(message, field, true);
          break;
        default:
          break;
      }
    }
  }
}
template <typename T>
T Filled(const std::string& text) {
  T out;
  Fill(&out, text);
  return out;
}

// RFC 4180.
std::vector<std::vector<std::string>> ReadCsv(std::string_view text) {
  std::vector<std::vector<std::string>> lines(1, {""});
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        lines.back().back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        lines.back().back() += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      EXPECT_TRUE(lines.back().back().empty()) << "a quote within a plain cell";
      quoted = true;
    } else if (c == ',') {
      lines.back().emplace_back();
    } else if (c == '\r') {
      EXPECT_EQ(text.substr(i, 2), "\r\n");
      ++i;
      lines.push_back({""});
    } else {
      lines.back().back() += c;
    }
  }
  EXPECT_FALSE(quoted);
  EXPECT_EQ(lines.back(), std::vector<std::string>{""}) << "no line end at the end";
  lines.pop_back();
  return lines;
}

struct Case {
  std::string name;
  std::function<Table(const std::string&)> make;
};

const Case kCases[] = {
    {"sources list",
     [](const std::string& text) {
       return SourceTable(Filled<v1::ListSourcesResponse>(text).sources());
     }},
    {"sources ips",
     [](const std::string& text) {
       return AddressTable(Filled<v1::ListSourceAddressesResponse>(text));
     }},
    {"sources news",
     [](const std::string& text) {
       return SourceChangeTable(Filled<v1::CompareSourcesResponse>(text));
     }},
    {"sources groupings",
     [](const std::string& text) {
       return GroupingTable(Filled<v1::ListSourceGroupingsResponse>(text).groupings());
     }},
    {"sources explain",
     [](const std::string& text) {
       return EvidenceTable(Filled<v1::ExplainSourceResponse>(text));
     }},
    {"stats --by",
     [](const std::string& text) {
       return BreakdownTable(Filled<v1::QueryBreakdownResponse>(text));
     }},
    {"stats",
     [](const std::string& text) {
       return TimeSeriesTable(Filled<v1::QueryTimeSeriesResponse>(text));
     }},
    {"simulate --by source",
     [](const std::string& text) {
       return SimulationTable(Filled<v1::SimulatePolicyResponse>(text), "source");
     }},
    {"simulate --by reporter",
     [](const std::string& text) {
       return SimulationTable(Filled<v1::SimulatePolicyResponse>(text), "reporter");
     }},
    {"simulate --by trust",
     [](const std::string& text) {
       return SimulationTable(Filled<v1::SimulatePolicyResponse>(text), "trust");
     }},
    {"rollout explain",
     [](const std::string& text) { return GateTable(Filled<v1::ExplainRolloutResponse>(text)); }},
    {"rollout list",
     [](const std::string& text) {
       return RolloutTable(Filled<v1::ListRolloutsResponse>(text).rollouts());
     }},
    {"rollout simulate",
     [](const std::string& text) {
       return ForecastTable(Filled<v1::SimulateRolloutResponse>(text).stages());
     }},
    {"rollout show --log",
     [](const std::string& text) {
       return EventTable(Filled<v1::ListRolloutEventsResponse>(text).events());
     }},
    {"rollout freeze list",
     [](const std::string& text) { return FreezeTable(Filled<v1::RolloutRules>(text).freezes()); }},
    {"insights list",
     [](const std::string& text) {
       return InsightTable(Filled<v1::ListInsightsResponse>(text).insights());
     }},
    {"catalogue list",
     [](const std::string& text) {
       return MailServiceTable(Filled<v1::ListMailServicesResponse>(text).mail_services());
     }},
    {"alerts channels list",
     [](const std::string& text) {
       return ChannelTable(Filled<v1::ListAlertChannelsResponse>(text).alert_channels());
     }},
    {"alerts history",
     [](const std::string& text) {
       return DeliveryTable(Filled<v1::ListAlertDeliveriesResponse>(text).deliveries());
     }},
    {"reports reporters",
     [](const std::string& text) {
       return ReporterTable(Filled<v1::ListReportersResponse>(text).reporters());
     }},
    {"reports reporters --calendar",
     [](const std::string& text) {
       auto response = Filled<v1::ListReportersResponse>(text);
       // A row for each day.
       for (v1::Reporter& one : *response.mutable_reporters()) {
         one.mutable_day_report_counts()->Truncate(1);
       }
       return CalendarTable(response.reporters(), response.date_range());
     }},
};

TEST(Csv, NoCellIsAFormula) {
  const std::string kTexts[] = {"=cmd|' /C calc'!A0",
                                "+1+1",
                                "-2+3",
                                "@SUM(1)",
                                "\t=1",
                                "\r=1",
                                "\n=1",
                                "\xEF\xBC\x9D"
                                "1",
                                "a,b\"c\r\n=d",
                                std::string("\0=1", 3)};
  for (const Case& test : kCases) {
    for (const std::string& text : kTexts) {
      SCOPED_TRACE(test.name + ": " + text);
      const auto lines = ReadCsv(test.make(text).Render(Format::kCsv));
      ASSERT_EQ(lines.size(), 3u) << "a head and two rows";
      for (size_t i = 1; i < lines.size(); ++i) {
        ASSERT_EQ(lines[i].size(), lines[0].size());
        for (const std::string& cell : lines[i]) {
          // A negative number is one to a spreadsheet, too.
          static const std::regex kNumber("-?[0-9]+(\\.[0-9]+)?");
          if (cell.empty() || std::regex_match(cell, kNumber)) continue;
          EXPECT_EQ(std::string_view("=+-@\t\r\n").find(cell[0]), std::string_view::npos) << cell;
          EXPECT_FALSE(cell.starts_with("\xEF\xBC")) << cell;
          EXPECT_EQ(cell.find('\0'), std::string::npos);
        }
      }
    }
  }
}

}  // namespace
}  // namespace dmarcate::cli
