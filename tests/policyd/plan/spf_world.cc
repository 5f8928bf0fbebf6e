#include "tests/policyd/plan/spf_world.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/clock.h"
#include "tests/policyd/plan/plan_testing.h"

namespace dmarcate {
namespace {

DomainName VendorName(int number) { return Name(fmt::format("v{}.test", number)); }

SpfTree Expand(const DomainName& domain, const std::string& text, Resolver& dns) {
  SystemClock clock;
  if (text.empty()) return {.domain = domain};
  absl::StatusOr<SpfTree> tree = ExpandSpfText(domain, text, dns, clock, {.max_queries = 2000});
  if (!tree.ok()) return {.domain = domain, .complete = false};
  return *std::move(tree);
}

}  // namespace

SpfWorld::SpfWorld(uint64_t seed) : random_(seed), domain_(Name("d.test")) {
  options_.addresses_followed = Chance(70);
  vendors_ = 3 + static_cast<int>(Random(8));
  for (int i = 0; i < 6; ++i) {
    std::vector<std::string> a;
    std::vector<std::string> aaaa;
    for (uint64_t n = Random(3); n > 0; --n) a.push_back(fmt::format("10.7.{}.{}", i, Random(8)));
    for (uint64_t n = Random(3); n > 0; --n) {
      aaaa.push_back(fmt::format("2001:db8:7:{}::{:x}", i, 1 + Random(8)));
    }
    dns_.SetA(Name(fmt::format("h{}.test", i)), a);
    dns_.SetAaaa(Name(fmt::format("h{}.test", i)), aaaa);
    std::vector<MxRecord> mx;
    for (uint64_t n = Random(3); n > 0; --n) {
      mx.push_back({static_cast<uint16_t>(n), Name(fmt::format("h{}.test", Random(6)))});
    }
    dns_.SetMx(Name(fmt::format("m{}.test", i)), mx);
  }
  for (int i = 0; i < vendors_; ++i) dns_.SetTxt(VendorName(i), {VendorRecord(i)});
  take_first_ = Chance(5);

  // The live record: terms of others, some of ours, mixed.
  live_ = "v=spf1";
  int sources = 0;
  const auto approve = [&](const std::string& term) {
    approved_.push_back({fmt::format("s{:02}", sources++), {term}});
  };
  std::set<std::string> ours;
  for (uint64_t terms = 1 + Random(9); terms > 0; --terms) {
    if (Chance(55)) {
      const std::string term =
          fmt::format("include:{}", VendorName(static_cast<int>(Random(vendors_))).text());
      if (!ours.insert(term).second) continue;
      managed_.push_back({term, fmt::format("s{:02}", sources)});
      live_ += " " + term;
      if (Chance(85)) approve(term);
    } else if (const int kind = static_cast<int>(Random(10)); kind < 2) {
      live_ += fmt::format(" {}{}", Qualifier(), Network());
    } else if (kind < 7) {
      // An exclusion between terms of ours, of addresses that they are likely to have.
      live_ += fmt::format(" -ip4:{}",
                           IpNetwork::Parse(fmt::format("10.{}.{}.0/{}", Random(6), Random(4) * 64,
                                                        12 + static_cast<int>(Random(8))))
                               ->ToString());
    } else if (kind < 8) {
      const std::string term = VendorTerm(-1);
      if (ours.insert(term).second) live_ += " " + term;
    } else {
      live_ += Chance(50) ? " exists:%{i}.e.test" : " exp=explain.test";
      if (live_.find("exp=") != live_.rfind("exp=")) live_.erase(live_.rfind(" exp="));
    }
  }
  live_ += Chance(50) ? " ~all" : " -all";
  for (uint64_t more = Random(5); more > 0; --more) {
    const std::string term =
        Chance(80)
            ? fmt::format("include:{}", VendorName(static_cast<int>(Random(vendors_))).text())
            : Network();
    if (ours.insert(term).second) approve(term);
  }
  truth_ = live_;
  SetLive();
}

void SpfWorld::SetLive() { dns_.SetTxt(domain_, {live_}); }

std::string SpfWorld::Network() {
  if (Chance(70)) {
    const int length = 14 + static_cast<int>(Random(19));
    return fmt::format("ip4:{}", IpNetwork::Parse(fmt::format("10.{}.{}.{}/{}", Random(6),
                                                              Random(4) * 64, Random(256), length))
                                     ->ToString());
  }
  return fmt::format(
      "ip6:{}", IpNetwork::Parse(fmt::format("2001:db8:{:x}:{:x}::{:x}/{}", Random(4), Random(4),
                                             Random(16), 30 + Random(99)))
                    ->ToString());
}

std::string SpfWorld::Qualifier() {
  if (Chance(80)) return "";
  static constexpr const char* kOthers[] = {"-", "~", "?", "+"};
  return kOthers[Random(4)];
}

// `number` -1: a term of the domain itself.
std::string SpfWorld::VendorTerm(int number) {
  const int kind = static_cast<int>(Random(100));
  if (kind < 45) return Network();
  if (kind < 75 && number + 1 < vendors_) {
    const int first = Chance(99) ? number + 1 : 0;  // now and then it leads back
    const auto target = first + static_cast<int>(Random(static_cast<uint64_t>(vendors_ - first)));
    if (Chance(1)) return "include:gone.test";
    return fmt::format("include:{}", VendorName(target).text());
  }
  if (kind < 84) return fmt::format("a:h{}.test{}", Random(6), Chance(20) ? "/28//64" : "");
  if (kind < 92) return fmt::format("mx:m{}.test", Random(6));
  if (kind < 94) return "exists:%{i}.e.test";
  if (kind < 95) return "ptr";
  return Network();
}

std::string SpfWorld::VendorRecord(int number) {
  std::string text = "v=spf1";
  const uint64_t terms = Chance(10) ? 10 + Random(60) : 1 + Random(6);
  for (uint64_t i = 0; i < terms; ++i) {
    text += fmt::format(" {}{}", Qualifier(), terms > 9 ? Network() : VendorTerm(number));
  }
  if (Chance(8) && number + 1 < vendors_) {
    return fmt::format("{} redirect={}", text, VendorName(number + 1).text());
  }
  static constexpr const char* kEnds[] = {" ~all", " -all", " ?all", ""};
  return text + (Chance(1) ? " +all" : kEnds[Random(4)]);
}

SpfCompiled SpfWorld::Compile(const PlannedSpf& plan, const std::vector<SpfChild>& children) {
  return CompileSpf(domain_, plan.draft, plan.intended, managed_, children, taken_, options_);
}

PlannedSpf SpfWorld::Plan() {
  PlannedSpf out;
  out.truth = PlanSpf(domain_, {truth_}, UnflattenedTerms(managed_), approved_).value().after;
  out.draft = DraftSpf(domain_, {live_}, managed_, approved_).value();
  out.before = Expand(domain_, live_, dns_);
  out.intended = Expand(domain_, out.draft.intended, dns_);
  std::vector<SpfChild> children;
  TxtOverlay overlay;
  for (const DomainName& name : SpfChildrenOf(domain_, managed_)) {
    children.push_back({name, children_[name]});
    overlay[name] = children_[name];
  }
  out.compiled = Compile(out, children);
  if (take_first_ && !out.compiled.writes.empty()) {
    take_first_ = false;
    taken_.insert(out.compiled.writes[0].owner);
    dns_.SetTxt(out.compiled.writes[0].owner, {"v=spf1 a mx -all"});
    out.compiled = Compile(out, children);
  }
  const SpfPlan& plan = out.compiled.plan;
  for (const SpfChild& write : out.compiled.writes) {
    const bool same = overlay[write.owner] == write.text;
    overlay[write.owner] = write.text;
    OverlayResolver then(dns_, overlay);
    if (!same) out.between.push_back(Expand(domain_, live_, then));
  }
  out.overlay = overlay;
  OverlayResolver then(dns_, overlay);
  out.after = Expand(domain_, plan.after, then);
  // Independent of draft and book.
  SpfTree meant = Expand(domain_, out.truth, dns_);
  PutRemembered(plan.managed_after, meant);
  SpfProofInput input{domain_.text(), &out.before.root, &meant.root, &out.after.root, {}};
  for (const SpfTree& tree : out.between) input.between.push_back(&tree.root);
  out.proof = ProveSpf(input);
  out.guards = plan.guards;
  const auto add = [&](std::vector<GuardRecord> more) {
    std::ranges::move(more, std::back_inserter(out.guards));
  };
  add(GuardSpfText({live_}, {plan.after}, managed_, plan.managed_after));
  add(GuardSpfCost(MeasureOf(out.before), MeasureOf(out.after)));
  add({GuardSpfProof(out.proof)});
  return out;
}

std::string SpfWorld::Describe() {
  std::string out = fmt::format("{}: {}\n", domain_.text(), live_);
  for (int i = 0; i < vendors_; ++i) {
    const absl::StatusOr<DnsAnswer> answer = dns_.Lookup(VendorName(i), RrType::kTxt);
    for (const TxtRecord& record : answer->txt) {
      out += fmt::format("v{}.test: {}\n", i, record.Joined());
    }
  }
  for (const ApprovedSource& source : approved_) {
    for (const std::string& term : source.terms) {
      out += fmt::format("approved {}: {}\n", source.id, term);
    }
  }
  for (const ManagedTerm& term : managed_) {
    out += fmt::format("managed {}: {}\n", term.source_id, term.term);
  }
  return out;
}

void SpfWorld::Apply(const PlannedSpf& plan) {
  for (const SpfChild& write : plan.compiled.writes) {
    children_[write.owner] = write.text;
    dns_.SetTxt(write.owner, {write.text});
  }
  live_ = plan.compiled.plan.after;
  truth_ = plan.truth;
  managed_ = plan.compiled.plan.managed_after;
  SetLive();
}

void SpfWorld::ChangeVendor() {
  const int number = static_cast<int>(Random(static_cast<uint64_t>(vendors_)));
  dns_.SetTxt(VendorName(number), {VendorRecord(number)});
}

std::vector<std::string> SpfWorld::RemoveApproval() {
  if (approved_.empty()) return {};
  const auto gone = approved_.begin() + static_cast<std::ptrdiff_t>(Random(approved_.size()));
  std::vector<std::string> terms = gone->terms;
  approved_.erase(gone);
  return terms;
}

}  // namespace dmarcate
