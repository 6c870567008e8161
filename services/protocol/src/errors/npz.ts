import { defineErrors, kinds } from './spec.js';

const rewrite = 'Write the file again with numpy.savez or with Consilium.';
const again = 'Fetch or write the file again; if it keeps happening, the program that wrote it is at fault.';
const limit = 'Use a smaller model, or raise this limit where the file is read if you trust its writer.';

export const npzErrors = defineErrors({
  NPZ_NOT_ZIP: kinds.badInput(
    'The file is not an npz (zip) archive.',
    'Write it with numpy.savez or with Consilium.',
  ),
  NPZ_TRUNCATED: kinds.badInput('The npz file ends too early: its end record is missing.', again),
  NPZ_TRAILING_BYTES: kinds.badInput('The npz file has bytes after its end record.', rewrite),
  NPZ_END_AMBIGUOUS: kinds.badInput('More than one end record fits the npz file.', rewrite),
  NPZ_MULTI_DISK: kinds.badInput('The npz file is part of a multi-volume archive.', rewrite),
  NPZ_ZIP64: kinds.badInput('The zip64 records of the npz file are broken or contradict it.', rewrite),
  NPZ_DIRECTORY: kinds.badInput('The central directory of the npz file is damaged.', again),
  NPZ_OUTSIDE_FILE: kinds.badInput('An entry of the npz file lies outside the file.', again),
  NPZ_OVERLAP: kinds.badInput('Two entries of the npz file overlap.', rewrite),
  NPZ_DUPLICATE_NAME: kinds.badInput(
    'Two entries have the same name.',
    'Give every tensor a name of its own.',
  ),
  NPZ_NAME: kinds.badInput(
    'The name of an entry cannot be used.',
    'Name entries <parameter>.npy, in ASCII or flagged UTF-8, without NUL characters.',
  ),
  NPZ_ENCRYPTED: kinds.badInput('An entry of the npz file is encrypted.', 'Write it without a password.'),
  NPZ_METHOD: kinds.badInput(
    'An entry is compressed by a method other than deflate.',
    'Use numpy.savez (stored) or numpy.savez_compressed (deflate).',
  ),
  NPZ_FLAGS: kinds.badInput('An entry uses a zip feature that npz files do not have.', rewrite),
  NPZ_EXTRA_FIELD: kinds.badInput('The extra field of an entry is malformed or not allowed.', rewrite),
  NPZ_STORED_SIZE: kinds.badInput('A stored entry gives two different sizes.', rewrite),
  NPZ_LOCAL_MISSING: kinds.badInput('There is no local header where the directory says one is.', again),
  NPZ_LOCAL_NAME: kinds.badInput('A local header and the central directory disagree on the name.', rewrite),
  NPZ_LOCAL_METHOD: kinds.badInput(
    'A local header and the central directory disagree on the method.',
    rewrite,
  ),
  NPZ_LOCAL_FLAGS: kinds.badInput('A local header and the central directory disagree on flags.', rewrite),
  NPZ_LOCAL_SIZE: kinds.badInput('A local header and the central directory disagree on sizes.', rewrite),
  NPZ_LOCAL_CRC: kinds.badInput('A local header and the central directory disagree on the CRC.', rewrite),
  NPZ_DESCRIPTOR: kinds.badInput('A data descriptor and the central directory disagree.', rewrite),
  NPZ_DEFLATE: kinds.badInput('The deflated data of an entry are damaged.', again),
  NPZ_DEFLATE_SIZE: kinds.badInput('An entry does not inflate to the size it declares.', rewrite),
  NPZ_DEFLATE_RATIO: kinds.tooLarge('An entry claims to inflate more than is allowed.', limit),
  NPZ_CRC: kinds.integrity('The data of an entry do not have the CRC that the directory states.', again),
  NPZ_TOO_MANY_ENTRIES: kinds.tooLarge('The npz file has too many entries.', limit),
  NPZ_DIRECTORY_TOO_LARGE: kinds.tooLarge('The central directory of the npz file is too large.', limit),
  NPZ_NAME_TOO_LONG: kinds.tooLarge('The name of an entry is too long.', limit),
  NPZ_TOTAL_TOO_LARGE: kinds.tooLarge('The npz file holds too many bytes once it is unpacked.', limit),
  NPZ_TENSOR_TOO_LARGE: kinds.tooLarge('A tensor is too large to be held in memory.', limit),
  NPZ_NPY_MAGIC: kinds.badInput('An entry is not an npy array.', rewrite),
  NPZ_NPY_VERSION: kinds.badInput(
    'An npy array has an unknown format version.',
    'Use npy format 1.0, 2.0 or 3.0.',
  ),
  NPZ_NPY_TRUNCATED: kinds.badInput('An npy array ends within its header.', again),
  NPZ_NPY_HEADER_TOO_LARGE: kinds.tooLarge('The header of an npy array is too long.', limit),
  NPZ_NPY_HEADER: kinds.badInput('The header of an npy array cannot be parsed.', rewrite),
  NPZ_OBJECT_DTYPE: kinds.badInput(
    'An array holds pickled Python objects, which are never loaded.',
    'Convert it to a numeric dtype before saving.',
  ),
  NPZ_DTYPE: kinds.badInput(
    'The dtype of an array is not supported.',
    'Use bool, int8..int64, uint8..uint64, float16, float32, float64 or bfloat16.',
  ),
  NPZ_SHAPE: kinds.badInput('The shape of an array is not usable.', 'Use up to 64 non-negative extents.'),
  NPZ_SIZE_MISMATCH: kinds.badInput('The shape of an array does not match the size of its data.', rewrite),
  NPZ_NO_ENTRY: kinds.notFound('The npz file has no such tensor.', 'Use one of the names it lists.'),
  NPZ_SLICE_RANGE: kinds.badInput('A slice lies outside its tensor.', 'Ask for elements within the tensor.'),
  NPZ_SLICE_UNSUPPORTED: kinds.badInput(
    'Slices can be read from stored, little-endian, C-order tensors only.',
    'Rewrite the file in canonical form first.',
  ),
  NPZ_DATA_LENGTH: kinds.badInput(
    'The data of a tensor do not have the length of its shape.',
    'Give exactly as many elements as the shape says.',
  ),
  NPZ_DATA_TYPE: kinds.badInput(
    'The data of a tensor are not of its dtype.',
    'Give the typed array that belongs to the dtype, or raw little-endian bytes.',
  ),
  NPZ_SOURCE: kinds.unavailable('The npz file could not be read as asked.', 'Try again.'),
});
