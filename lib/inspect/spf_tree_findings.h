// lib/inspect/spf_tree_findings.h
// Judges an expanded SPF tree. Internal to ExpandSpf.

#ifndef DMARCATE_LIB_INSPECT_SPF_TREE_FINDINGS_H_
#define DMARCATE_LIB_INSPECT_SPF_TREE_FINDINGS_H_

#include "lib/inspect/spf_tree.h"

namespace dmarcate {

// Fills what follows from the nodes: address count, widest ranges, has_dynamic_terms, findings.
void SummarizeSpfTree(SpfTree& tree);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_SPF_TREE_FINDINGS_H_
