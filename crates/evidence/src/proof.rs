//! Inclusion and consistency proofs of RFC 6962, sections 2.1.1 and 2.1.2, and their verification as RFC 9162
//! spells it out. Verifying needs no tree and trusts nothing in the proof.

use crate::merkle::{Hash, root};

/// The number of leaves in the left subtree of a tree of `size` leaves: the largest power of two below it.
fn split(size: usize) -> usize {
    debug_assert!(size > 1);
    1 << (size - 1).ilog2()
}

/// The audit path of leaf `index` in the tree over `leaves`, from the leaf upwards; `None` when there is no
/// such leaf.
pub fn inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut leaves, mut index, mut path) = (leaves, index, Vec::new());
    while leaves.len() > 1 {
        let (left, right) = leaves.split_at(split(leaves.len()));
        if index < left.len() {
            path.push(root(right));
            leaves = left;
        } else {
            path.push(root(left));
            index -= left.len();
            leaves = right;
        }
    }
    path.reverse();
    Some(path)
}

/// The proof that the tree over the first `old_size` of `leaves` is a prefix of the tree over all of them;
/// `None` when `old_size` is 0 or more than there are. Empty when both are the same tree.
pub fn consistency(leaves: &[Hash], old_size: usize) -> Option<Vec<Hash>> {
    if old_size == 0 || old_size > leaves.len() {
        return None;
    }
    // `complete`: the old tree is exactly the subtree in hand and its root is known to who checks.
    let (mut leaves, mut old_size, mut complete, mut path) = (leaves, old_size, true, Vec::new());
    while old_size < leaves.len() {
        let (left, right) = leaves.split_at(split(leaves.len()));
        if old_size <= left.len() {
            path.push(root(right));
            leaves = left;
        } else {
            path.push(root(left));
            old_size -= left.len();
            leaves = right;
            complete = false;
        }
    }
    if !complete {
        path.push(root(leaves));
    }
    path.reverse();
    Some(path)
}

/// Whether `path` shows that the leaf with hash `leaf` is number `index` of the tree with `size` leaves and
/// this root.
#[must_use]
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], tree_root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    // `node` is the number of the subtree at the current level that holds the leaf, `last` that of the last one.
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false; // the path goes on above the root
        }
        if node & 1 == 1 || node == last {
            hash = Hash::of_children(sibling, &hash);
            // A last subtree without a sibling stands for itself on the levels above.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::of_children(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *tree_root
}

/// Whether `path` shows that the tree of `old_size` leaves with `old_root` is a prefix of the tree of
/// `new_size` leaves with `new_root`.
#[must_use]
pub fn verify_consistency(old_size: u64, new_size: u64, old_root: &Hash, new_root: &Hash, path: &[Hash]) -> bool {
    if old_size == 0 || old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    // The old root itself is the start when the old tree is one complete subtree of the new one.
    let (start, rest) = match path.split_first() {
        _ if old_size.is_power_of_two() => (old_root, path),
        Some((first, rest)) => (first, rest),
        None => return false,
    };
    let zeros = (old_size - 1).trailing_ones();
    let (mut node, mut last) = ((old_size - 1) >> zeros, (new_size - 1) >> zeros);
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = Hash::of_children(sibling, &old_hash);
            new_hash = Hash::of_children(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = Hash::of_children(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}
