#include "policyd/plan/guard.h"

#include <algorithm>
#include <utility>

namespace dmarcate {
namespace {

GuardRecord Make(std::string_view code, GuardVerdict verdict, std::string message,
                 std::map<std::string, std::string> metadata) {
  return {std::string(code), verdict, std::move(message), std::move(metadata)};
}

}  // namespace

GuardRecord Pass(std::string_view code, std::string message,
                 std::map<std::string, std::string> metadata) {
  return Make(code, GuardVerdict::kPass, std::move(message), std::move(metadata));
}

GuardRecord Warn(std::string_view code, std::string message,
                 std::map<std::string, std::string> metadata) {
  return Make(code, GuardVerdict::kWarn, std::move(message), std::move(metadata));
}

GuardRecord Refuse(std::string_view code, std::string message,
                   std::map<std::string, std::string> metadata) {
  return Make(code, GuardVerdict::kRefuse, std::move(message), std::move(metadata));
}

const GuardRecord* FindRefusal(const std::vector<GuardRecord>& guards) {
  const auto found = std::ranges::find(guards, GuardVerdict::kRefuse, &GuardRecord::verdict);
  return found == guards.end() ? nullptr : &*found;
}

}  // namespace dmarcate
