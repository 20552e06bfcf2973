//! The tree and its proofs: known values, and every size against a tree computed as the standard defines it.

use proptest::prelude::*;
use taffrail_evidence::merkle::{Frontier, Hash, root};
use taffrail_evidence::proof;

/// Leaves and roots that implementations of certificate transparency share as test values.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| Hash::of_leaf(&number.to_be_bytes())).collect()
}

/// The root as RFC 6962 defines it, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_nothing(),
        [leaf] => *leaf,
        _ => {
            let mut split = 1;
            while split * 2 < leaves.len() {
                split *= 2;
            }
            Hash::of_children(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
        }
    }
}

#[test]
fn known_roots() {
    let mut tree = Frontier::new();
    assert_eq!(tree.root().to_string(), ROOTS[0]);
    for (leaf, expected) in LEAVES.iter().zip(&ROOTS[1..]) {
        tree.push(Hash::of_leaf(leaf));
        assert_eq!(tree.root().to_string(), *expected);
    }
}

#[test]
fn hexadecimal_round_trip() {
    let hash = Hash::of_leaf(b"x");
    assert_eq!(Hash::from_hex(&hash.to_string()), Some(hash));
    assert_eq!(Hash::from_hex(&hash.to_string().to_uppercase()), None, "one spelling only");
    assert_eq!(Hash::from_hex("+f"), None);
    assert_eq!(Hash::from_hex(&"é".repeat(32)), None);
}

#[test]
fn every_proof_of_every_small_tree() {
    let all = leaves(70);
    for size in 0..all.len() {
        let tree = &all[..size];
        let tree_root = root(tree);
        assert_eq!(tree_root, naive_root(tree));
        for index in 0..size {
            let path = proof::inclusion(tree, index).expect("the leaf is there");
            assert!(proof::verify_inclusion(&tree[index], index as u64, size as u64, &path, &tree_root));
        }
        assert_eq!(proof::inclusion(tree, size), None);
        for old in 1..=size {
            let path = proof::consistency(tree, old).expect("the old tree is not larger");
            assert!(proof::verify_consistency(old as u64, size as u64, &root(&all[..old]), &tree_root, &path), "{old} {size}");
        }
        assert_eq!(proof::consistency(tree, 0), None);
        assert_eq!(proof::consistency(tree, size + 1), None);
    }
}

#[test]
fn proofs_for_other_places_are_refused() {
    let tree = leaves(33);
    let tree_root = root(&tree);
    for index in 0..33 {
        let path = proof::inclusion(&tree, index).expect("the leaf is there");
        for other in (0..40).filter(|other| *other != index as u64) {
            assert!(!proof::verify_inclusion(&tree[index], other, 33, &path, &tree_root));
        }
        let mut longer = path.clone();
        longer.push(Hash::of_nothing());
        assert!(!proof::verify_inclusion(&tree[index], index as u64, 33, &longer, &tree_root));
        assert!(!proof::verify_inclusion(&tree[index], index as u64, 33, &path[..path.len() - 1], &tree_root));
    }
    assert!(!proof::verify_inclusion(&tree[0], 0, 0, &[], &tree_root));
    assert!(!proof::verify_consistency(0, 33, &Hash::of_nothing(), &tree_root, &[]));
    assert!(!proof::verify_consistency(33, 32, &tree_root, &root(&tree[..32]), &[]));
    assert!(!proof::verify_consistency(31, 33, &root(&tree[..31]), &tree_root, &[]));
    assert!(!proof::verify_consistency(u64::MAX, u64::MAX, &tree_root, &Hash::of_nothing(), &[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn large_trees_agree_with_the_definition(size in 1usize..600, pick in any::<prop::sample::Index>(), old in any::<prop::sample::Index>()) {
        let tree = leaves(size);
        let tree_root = root(&tree);
        prop_assert_eq!(tree_root, naive_root(&tree));
        let index = pick.index(size);
        let path = proof::inclusion(&tree, index).unwrap();
        prop_assert!(path.len() <= 10);
        prop_assert!(proof::verify_inclusion(&tree[index], index as u64, size as u64, &path, &tree_root));
        let old = old.index(size) + 1;
        let path = proof::consistency(&tree, old).unwrap();
        prop_assert!(proof::verify_consistency(old as u64, size as u64, &root(&tree[..old]), &tree_root, &path));
    }

    /// One changed bit anywhere in a proof, the leaf or a root makes it invalid.
    #[test]
    fn mutants_are_refused(size in 2usize..300, pick in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), bit in 0usize..256) {
        let tree = leaves(size);
        let tree_root = root(&tree);
        let flip = |hash: &mut Hash| hash.0[bit / 8] ^= 1 << (bit % 8);

        let index = pick.index(size);
        let mut parts = proof::inclusion(&tree, index).unwrap();
        parts.extend([tree[index], tree_root]);
        let at = place.index(parts.len());
        flip(&mut parts[at]);
        let (path, ends) = parts.split_at(parts.len() - 2);
        prop_assert!(!proof::verify_inclusion(&ends[0], index as u64, size as u64, path, &ends[1]));

        let old = index + 1;
        let mut parts = proof::consistency(&tree, old).unwrap();
        parts.extend([root(&tree[..old]), tree_root]);
        let at = place.index(parts.len());
        flip(&mut parts[at]);
        let (path, ends) = parts.split_at(parts.len() - 2);
        prop_assert!(!proof::verify_consistency(old as u64, size as u64, &ends[0], &ends[1], path));
    }
}
