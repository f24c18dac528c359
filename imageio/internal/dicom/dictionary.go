package dicom

// The tags that are read.
const (
	tagTransferSyntax        Tag = 0x00020010
	tagCharset               Tag = 0x00080005
	tagImageType             Tag = 0x00080008
	tagSOPClass              Tag = 0x00080016
	tagSOPInstance           Tag = 0x00080018
	tagStudyDate             Tag = 0x00080020
	tagAcquisitionTime       Tag = 0x00080032
	tagContentTime           Tag = 0x00080033
	tagStudyTime             Tag = 0x00080030
	tagAccession             Tag = 0x00080050
	tagModality              Tag = 0x00080060
	tagManufacturer          Tag = 0x00080070
	tagReferringPhysician    Tag = 0x00080090
	tagPatientName           Tag = 0x00100010
	tagPatientID             Tag = 0x00100020
	tagPatientBirth          Tag = 0x00100030
	tagPatientSex            Tag = 0x00100040
	tagSliceThickness        Tag = 0x00180050
	tagRepetitionTime        Tag = 0x00180080
	tagEchoNumber            Tag = 0x00180086
	tagSpacingBetweenSlices  Tag = 0x00180088
	tagTriggerTime           Tag = 0x00181060
	tagFrameTime             Tag = 0x00181063
	tagImagerPixelSpacing    Tag = 0x00181164
	tagBValue                Tag = 0x00189087
	tagStudyUID              Tag = 0x0020000D
	tagSeriesUID             Tag = 0x0020000E
	tagStudyID               Tag = 0x00200010
	tagSeriesNumber          Tag = 0x00200011
	tagAcquisitionNumber     Tag = 0x00200012
	tagInstanceNumber        Tag = 0x00200013
	tagPosition              Tag = 0x00200032
	tagOrientation           Tag = 0x00200037
	tagFrameOfReference      Tag = 0x00200052
	tagTemporalPosition      Tag = 0x00200100
	tagPositionReference     Tag = 0x00201040
	tagStackID               Tag = 0x00209056
	tagInStackPosition       Tag = 0x00209057
	tagFrameContent          Tag = 0x00209111
	tagPlanePosition         Tag = 0x00209113
	tagPlaneOrientation      Tag = 0x00209116
	tagTemporalIndex         Tag = 0x00209128
	tagDimensionValues       Tag = 0x00209157
	tagSamples               Tag = 0x00280002
	tagPhotometric           Tag = 0x00280004
	tagPlanar                Tag = 0x00280006
	tagFrames                Tag = 0x00280008
	tagRows                  Tag = 0x00280010
	tagColumns               Tag = 0x00280011
	tagPixelSpacing          Tag = 0x00280030
	tagBitsAllocated         Tag = 0x00280100
	tagBitsStored            Tag = 0x00280101
	tagHighBit               Tag = 0x00280102
	tagSigned                Tag = 0x00280103
	tagPadding               Tag = 0x00280120
	tagPaddingLimit          Tag = 0x00280121
	tagIntercept             Tag = 0x00281052
	tagSlope                 Tag = 0x00281053
	tagPaletteRed            Tag = 0x00281101
	tagPaletteRedData        Tag = 0x00281201
	tagPaletteRedSegmented   Tag = 0x00281221
	tagModalityLUT           Tag = 0x00283000
	tagLUTDescriptor         Tag = 0x00283002
	tagLUTData               Tag = 0x00283006
	tagPixelMeasures         Tag = 0x00289110
	tagValueTransformation   Tag = 0x00289145
	tagRealWorld             Tag = 0x00409096
	tagRealWorldIntercept    Tag = 0x00409224
	tagRealWorldSlope        Tag = 0x00409225
	tagMosaicImages          Tag = 0x0019100A
	tagMosaicSize            Tag = 0x0051100B
	tagCSAImage              Tag = 0x00291010
	tagSegmentationType      Tag = 0x00620001
	tagSegmentSequence       Tag = 0x00620002
	tagSegmentNumber         Tag = 0x00620004
	tagSegmentIdentification Tag = 0x0062000A
	tagReferencedSegment     Tag = 0x0062000B
	tagMaxFractional         Tag = 0x0062000E
	tagGridFrameOffsets      Tag = 0x3004000C
	tagDoseScaling           Tag = 0x3004000E
	tagSharedGroups          Tag = 0x52009229
	tagPerFrameGroups        Tag = 0x52009230
	tagExtendedOffsets       Tag = 0x7FE00001
	tagFloatPixels           Tag = 0x7FE00008
	tagDoublePixels          Tag = 0x7FE00009
	tagPixels                Tag = 0x7FE00010
)

// dictionary returns the VR of the tags that are read, for files that do not say it (PS3.6).
func dictionary(t Tag) string {
	switch t {
	case tagSamples, tagPlanar, tagRows, tagColumns, tagBitsAllocated, tagBitsStored, tagHighBit, tagSigned, tagReferencedSegment,
		tagPadding, tagPaddingLimit, tagSegmentNumber, tagMaxFractional, tagPaletteRed, tagPaletteRed + 1, tagPaletteRed + 2, tagLUTDescriptor, tagMosaicImages:
		return "US"
	case tagPaletteRedData, tagPaletteRedData + 1, tagPaletteRedData + 2, tagLUTData,
		tagPaletteRedSegmented, tagPaletteRedSegmented + 1, tagPaletteRedSegmented + 2:
		return "OW"
	case tagModalityLUT, tagFrameContent, tagPlanePosition, tagPlaneOrientation, tagPixelMeasures, tagValueTransformation,
		tagRealWorld, tagSegmentSequence, tagSegmentIdentification, tagSharedGroups, tagPerFrameGroups:
		return "SQ"
	case tagInStackPosition, tagTemporalIndex, tagDimensionValues:
		return "UL"
	case tagBValue, tagRealWorldIntercept, tagRealWorldSlope:
		return "FD"
	case tagPosition, tagOrientation, tagPixelSpacing, tagImagerPixelSpacing, tagSlope, tagIntercept, tagSliceThickness,
		tagSpacingBetweenSlices, tagRepetitionTime, tagTriggerTime, tagFrameTime, tagGridFrameOffsets, tagDoseScaling:
		return "DS"
	case tagFrames, tagInstanceNumber, tagAcquisitionNumber, tagSeriesNumber, tagTemporalPosition, tagEchoNumber:
		return "IS"
	case tagPatientName, tagReferringPhysician:
		return "PN"
	case tagExtendedOffsets:
		return "OV"
	case tagFloatPixels:
		return "OF"
	case tagDoublePixels:
		return "OD"
	case tagPixels:
		return "OW"
	}
	return ""
}
