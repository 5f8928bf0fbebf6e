// Both views of one name and type.

#include <utility>

#include "lib/base/status_macros.h"
#include "lib/inspect/posture.h"

namespace dmarcate {

RecordView ViewRecord(const DomainName& owner, RrType type, Resolver& resolver,
                      AuthoritativeResolver& authoritative, ServerViews server_views) {
  RecordView view;
  view.owner = owner;
  view.type = type;
  view.resolver = resolver.Lookup(owner, type);
  if (server_views == ServerViews::kSkip) return view;
  view.servers_asked = true;
  view.servers = authoritative.LookupAll(owner, type, /*over_tcp=*/false);
  if (!view.servers.ok()) return view;
  bool any = false;
  for (const ServerAnswer& server : view.servers->servers) {
    any |= server.answer.ok();
    if (server.answer.ok()) continue;
    const std::string name = server.name_server.IsRoot() ? "" : server.name_server.text() + " ";
    view.unreachable.push_back(
        fmt::format("{}{}: {}", name, server.address, MessageOf(server.answer.status())));
  }
  // Where nobody answered, nobody disagrees.
  view.consistent = !any || view.servers->consistent();
  const auto first = view.servers->First();
  if (view.resolver.ok() && first.ok()) {
    AuthoritativeAnswer both;
    both.servers = {{DomainName(), "", *first}, {DomainName(), "", *view.resolver}};
    view.resolver_agrees = both.consistent();
  }
  return view;
}

}  // namespace dmarcate
